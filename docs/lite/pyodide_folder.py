"""A local folder of Pyodide, for builds and tests without its official address.

    npm install pyodide@314.0.3 && pip download --no-deps open-webui==0.12.4
    python docs/lite/pyodide_folder.py node_modules/pyodide open_webui-0.12.4-py3-none-any.whl FOLDER

The npm package has the interpreter and pyodide-lock.json; the wheel of that application carries NumPy, matplotlib and
others as Pyodide built them. Each is taken only if its SHA-256 is that of the lock file; what is not there leaves the
lock file, so that a kernel takes it from the site.
"""

import hashlib
import json
import shutil
import sys
import zipfile
from pathlib import Path


def gather(npm, wheel, folder):
    """Fill the new folder ``folder``; the names of the wheels in it. ValueError for one with other bytes."""
    shutil.copytree(npm, folder, dirs_exist_ok=True)
    lock = json.loads((folder / "pyodide-lock.json").read_text(encoding="utf-8"))
    expected = {package["file_name"]: package["sha256"] for package in lock["packages"].values()}
    taken = []
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.namelist():
            name = member.rpartition("/")[2]
            if "/pyodide/" not in member or name not in expected:
                continue
            data = archive.read(member)
            if (found := hashlib.sha256(data).hexdigest()) != expected[name]:
                raise ValueError(f"{name} has the SHA-256 {found}, expected {expected[name]} of pyodide-lock.json")
            (folder / name).write_bytes(data)
            taken.append(name)
    kept = {name: package for name, package in lock["packages"].items() if (folder / package["file_name"]).exists()}
    (folder / "pyodide-lock.json").write_text(json.dumps(lock | {"packages": kept}), encoding="utf-8")
    return taken


if __name__ == "__main__":
    print(*gather(*map(Path, sys.argv[1:4])), sep="\n")
