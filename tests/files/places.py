"""Places where a file or a folder is to be written, as people give them; what lies there must survive."""

import os
import socket
import stat
import threading
from pathlib import Path

import pytest

BEFORE = b"what was there before"
WRITTEN = ("nothing", "file", "link", "links", "dangling link", "pipe", "device")
REFUSED = {  # exit code of the command line: 2 for a name that is none, 1 for a place that takes no file
    "empty name": 2,
    "folder": 1,
    "link to a folder": 1,
    "slash at the end": 1,
    "here": 1,
    "no such folder": 1,
    "below a file": 1,
    "loop of links": 1,
    "socket": 1,
    "read-only place": 1,
    "name of 300 letters": 1,
    "name of 254 letters": 1,
}
FOLDERS_WRITTEN = ("nothing", "nested", "folder", "link to a folder", "dangling link", "slash at the end")
FOLDERS_REFUSED = {
    "empty name": 2,
    "file": 1,
    "link": 1,
    "below a file": 1,
    "loop of links": 1,
    "pipe": 1,
    "device": 1,
    "read-only place": 1,
    "name of 300 letters": 1,
}


def make(kind, folder):
    """Put what ``kind`` says into ``folder`` and return the path to give, as text."""
    path, old = folder / "page", folder / "old"
    if kind in ("file", "below a file", "link", "links"):
        old.write_bytes(BEFORE)
        old.chmod(0o640)
    if kind in ("folder", "link to a folder"):
        old.mkdir()
        (old / "child").write_bytes(BEFORE)
    given = {
        "file": old,
        "folder": old,
        "below a file": old / "page",
        "empty name": "",
        "here": ".",
        "slash at the end": f"{path}/",
        "no such folder": folder / "absent" / "page",
        "nested": path / "a" / "b",
        "read-only place": "/proc/minires-page",
        "name of 300 letters": folder / ("n" * 300),
        "name of 254 letters": folder / ("n" * 254),
    }.get(kind, path)
    if kind in ("link", "link to a folder", "dangling link"):
        path.symlink_to(old)
    elif kind == "links":
        (folder / "between").symlink_to("old")
        path.symlink_to("between")
    elif kind == "loop of links":
        path.symlink_to("loop")
        (folder / "loop").symlink_to("page")
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(os.path.relpath(path))
    elif kind == "device":
        try:
            os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 3))
            open(path, "wb").close()
        except PermissionError:
            pytest.skip("only root makes devices, and not everywhere")
    elif kind == "read-only place" and not Path("/proc").is_dir():
        pytest.skip("the system has no /proc")
    return str(given)


def state(folder):
    """{path: (type and permissions, where a link leads, content of a file)} of all that lies in ``folder``."""
    found = {}
    for path in sorted(folder.rglob("*")):
        kind = path.lstat().st_mode
        content = path.read_bytes() if stat.S_ISREG(kind) else None
        found[str(path.relative_to(folder))] = (kind, os.readlink(path) if path.is_symlink() else None, content)
    return found


class Reader:
    """Reads a pipe to its end in a thread, as ``cat`` would; nothing where the path is none."""

    def __init__(self, path):
        self.data = None
        self.thread = threading.Thread(target=self._read, args=(path,), daemon=True)
        self.pipe = os.path.exists(path) and stat.S_ISFIFO(os.stat(path).st_mode)
        if self.pipe:
            self.thread.start()

    def _read(self, path):
        with open(path, "rb") as pipe:
            self.data = pipe.read()

    def end(self):
        if self.pipe:
            self.thread.join(10)
        return self.data


def assert_written(kind, folder, path, data, before, reader):
    """The bytes ``data`` arrived; ``before`` and ``state(folder)`` differ in the file that was meant alone."""
    after, arrived = state(folder), reader.end()
    if kind == "pipe":
        assert arrived == data
    if kind in ("pipe", "device"):
        assert after == before
        return
    target = {"nothing": "page"}.get(kind, "old")
    permissions, _, content = after.pop(target)
    assert content == data
    old = before.pop(target, None)
    mask = os.umask(0)
    os.umask(mask)
    assert permissions == (stat.S_IFREG | (0o666 & ~mask) if old is None else old[0])
    assert after == before
