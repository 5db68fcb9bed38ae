"""The ways of closing a box: bubblewrap with namespaces, else Landlock; in both a filter of system calls.

The strongest whose self-test holds, here and now, is taken; where there is none, nothing is graded.
"""

import json
import os
import shutil
import site
import sys
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

INSIDE = Path(__file__).parent / "inside"
PACKAGE = Path(__file__).resolve().parents[2]  # minires
CLASSROOM = Path(__file__).resolve().parents[1]  # has the answers, and is in no box
MEMORY, SECONDS = 2 << 30, 600  # bytes of address space, of computing time in all
NOBODY = 60_123  # a uid that nobody has, for a grader that is root


@dataclass(frozen=True)
class Tier:
    """A way of closing the box.

    command(requests, answers, minires=False) -> list: what starts the worker, which inherits these two descriptors, and
    finds minires, to read, where the assignment says so. Raises OSError where that is known not to work.
    """

    name: str
    command: Callable


def _bubblewrap(*pipes, minires=False):
    program = shutil.which("bwrap")
    if program is None:
        raise OSError("bwrap is not installed")
    root = os.getuid() == 0
    apart = ["ipc", "pid", "net", "uts", "cgroup-try"] if root else ["user", "all"]
    command = [program, *(f"--unshare-{name}" for name in apart), *([] if root else ["--disable-userns"])]
    command += ["--die-with-parent", "--new-session", "--clearenv", "--cap-drop", "ALL"]
    command += [word for name in ("CAP_SETUID", "CAP_SETGID") if root for word in ("--cap-add", name)]
    shown = [Path("/usr"), Path(sys.base_prefix).resolve()]
    for path in shown:
        for parent in reversed(path.parents):  # that of root may be for root alone
            command += ["--perms", "0755", "--dir", str(parent)]
        command += ["--ro-bind", str(path), str(path)]
    for path in map(Path, ("/lib", "/lib64", "/bin")):
        if path.is_symlink():
            command += ["--symlink", os.readlink(path), str(path)]
        elif path.exists():
            command += ["--ro-bind", str(path), str(path)]
    for path in _answers():
        if any(path.is_relative_to(place) for place in shown):
            command += ["--tmpfs", str(path)]
    packages = [*(("/numpy", path) for path in _numpy()), *([("/library", PACKAGE)] if minires else [])]
    for place, path in packages:  # what is imported late is read by nobody
        command += ["--perms", "0755", "--dir", place, "--ro-bind", str(path), f"{place}/{path.name}"]
    if minires:
        hidden = f"/library/{CLASSROOM.relative_to(PACKAGE.parent)}"
        command += ["--tmpfs", hidden, "--remount-ro", hidden]
    command += ["--ro-bind", str(INSIDE), "/inside", "--proc", "/proc", "--dev", "/dev"]
    command += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/", "--setenv", "OPENBLAS_NUM_THREADS", "1"]
    library = "/library" if minires else None
    return [*command, "--", *_python("/inside/worker.py", pipes, numpy="/numpy", minires=library, parent=None)]


def _landlock(*pipes, minires=False):
    readable = [str(path) for path in (*_system(), *_numpy(), "/dev/null", "/dev/urandom")]
    readable += [str(path) for path in _without(PACKAGE, {CLASSROOM})] if minires else []
    if os.getuid() == 0:
        for path in (INSIDE, *map(Path, readable)):
            if closed := [
                folder for folder in (path, *path.parents) if folder.is_dir() and folder.stat().st_mode & 5 != 5
            ]:
                raise OSError(f"{closed[-1]} is closed to the user of the box, and {path} lies in it: move Python")
    listed = [str(PACKAGE)] if minires else []  # where Python looks for its modules
    paths = {"numpy": str(_numpy()[0].parent), "minires": _library(minires), "readable": readable, "listed": listed}
    return _python(INSIDE / "worker.py", pipes, **paths)


def _trust(*pipes, minires=False):
    return _python(INSIDE / "worker.py", pipes, numpy=str(_numpy()[0].parent), minires=_library(minires), filter=False)


def _library(wanted):
    return str(PACKAGE.parent) if wanted else None


def _python(worker, pipes, **settings):
    uid = NOBODY if os.getuid() == 0 and settings.get("filter", True) else None
    defaults = {"pipes": pipes, "memory": MEMORY, "seconds": SECONDS, "uid": uid, "readable": None, "filter": True}
    defaults |= {"parent": os.getpid(), "minires": None}
    # -I -S: nothing of the environment, of the user or of site-packages
    return [os.path.realpath(sys.executable), "-I", "-S", "-B", str(worker), json.dumps(defaults | settings)]


def _numpy():
    """Folders of NumPy and of the libraries that its wheel brings."""
    folder = Path(np.__file__).resolve().parent
    return [path for path in (folder, folder.parent / "numpy.libs") if path.exists()]


def _answers():
    """Folders of installed packages, minires among them perhaps, inside what the interpreter needs."""
    names = {
        *site.getsitepackages([sys.base_prefix, "/usr", "/usr/local"]),
        *map(sysconfig.get_path, ("purelib", "platlib")),
    }
    found = {Path(name) for name in names}
    for prefix in (Path(sys.base_prefix), Path("/usr"), Path("/usr/local")):
        for folder in ("lib", "lib64"):
            found |= {
                *prefix.glob(f"{folder}/python3*/site-packages"),
                *prefix.glob(f"{folder}/python3*/dist-packages"),
            }
    return sorted({path.resolve() for path in found if path.exists()})


def _system():
    """What the interpreter may read after its start: the standard library and the system's, without packages."""
    standard = {Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib")}
    multiarch = sysconfig.get_config_var("MULTIARCH") or ""
    libraries = {
        Path(top) / part for top in ("/lib", "/lib64", "/usr/lib", "/usr/lib64") for part in (multiarch,) if part
    }
    closed = set(_answers())
    for folder in sorted({path.resolve() for path in standard | libraries if path.exists()}):
        yield from _without(folder, closed)


def _without(folder, closed):
    """The largest parts of ``folder`` that have none of the ``closed`` folders inside."""
    if folder in closed:
        return
    if not any(path.is_relative_to(folder) for path in closed):
        yield folder
        return
    for path in sorted(folder.iterdir()):
        yield from _without(path, closed)


BUBBLEWRAP, LANDLOCK = Tier("bubblewrap", _bubblewrap), Tier("landlock", _landlock)
TRUST = Tier("trust", _trust)  # keeps nothing inside: for a teacher's own code
