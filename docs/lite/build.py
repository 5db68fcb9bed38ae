"""JupyterLite with the tutorials and assignments: python docs/lite/build.py OUT

The runtime is loaded from its official address, or lies in the site if MINIRES_PYODIDE names a folder of it
(see pyodide_folder.py).
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE.parent))

from lite.notebooks import write_notebooks  # noqa: E402

WHEELS = ROOT / "docs" / "_build" / "wheels"
KERNEL = "@jupyterlite/pyodide-kernel-extension:kernel"


def run(*command, **options):
    subprocess.run([sys.executable, "-m", *map(str, command)], check=True, **options)


def wheels(folder):
    """The wheel of minires, and those that a kernel needs."""
    pip = "pip", "--quiet", "--disable-pip-version-check"
    for old in folder.glob("minires-*.whl"):
        old.unlink()
    run(*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, ROOT)
    options = "--no-deps", "--only-binary", ":all:", "--python-version", "3.14", "--platform", "any"
    run(*pip, "download", *options, "--find-links", folder, "--dest", folder, "-r", HERE / "wheels.txt")


def write_settings(folder, runtime):
    """The settings of the site: with a local runtime nothing is fetched from elsewhere."""
    kernel = {}
    if runtime:
        shutil.copytree(runtime, folder / "static" / "pyodide")
        kernel = {"pyodideUrl": "./static/pyodide/pyodide.mjs", "disablePyPIFallback": True}
    data = {"appName": "minires", "exposeAppInBrowser": True, "litePluginSettings": {KERNEL: kernel}}
    settings = {"jupyter-lite-schema-version": 0, "jupyter-config-data": data}
    (folder / "jupyter-lite.json").write_text(json.dumps(settings), encoding="utf-8")


def build(out, runtime=None):
    """Write the site into the folder ``out``; ``runtime`` is a local folder of Pyodide."""
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        wheels(WHEELS)
        write_notebooks(folder / "files")
        write_settings(folder, runtime)
        command = [
            "jupyterlite_core",
            "build",
            "--lite-dir",
            folder,
            "--contents",
            folder / "files",
            "--output-dir",
            out,
        ]
        command += [part for wheel in sorted(WHEELS.glob("*.whl")) for part in ("--piplite-wheels", wheel)]
        run(*command, cwd=folder, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    build(Path(sys.argv[1]).resolve(), os.environ.get("MINIRES_PYODIDE"))
