"""Where results go: files written whole or not at all, and refused before the work where they cannot be written.

Symbolic links are written through and stay. Pipes and devices such as a terminal are written to and stay what they are.
All of minires writes with this file.
"""

import contextlib
import os
import shutil
import stat
import sys
import tempfile
from pathlib import Path

from ..errors import CheckpointError, MiniresError, RangeError

StrPath = str | os.PathLike[str]
STREAMS = (stat.S_IFIFO, stat.S_IFCHR)
STDOUT, STDERR = 1, 2


def write_atomically(path: StrPath, data: bytes, mode: int = 0o666) -> None:
    """Put ``data`` (bytes) into the file ``path``: after a crash the old or the new content is there, whole.

    mode: permissions that a new file has from its first moment, less those that the umask takes
    """
    with _named(path, "make room, or choose another folder; what was there before is whole"):
        with written_whole(path, mode) as file:
            file.write(data)


@contextlib.contextmanager
def written_whole(path, mode=0o666):
    """A binary file for the content of ``path``, which has it at the end of the block, or what it had before.

    A file keeps its permissions. Raises what :func:`check_writable` raises, and OSError where the disk fails.
    """
    is_stream = check_writable(path)
    with _written_to(os.path.expanduser(path)) if is_stream else _replaced(_behind_links(path), mode) as file:
        yield file


def remove(path: StrPath) -> None:
    """Remove a file that was written here."""
    os.unlink(path)


def check_writable(path):
    """Whether ``path`` is a pipe, a device or where standard output goes. Raises where no file can be written there.

    It changes nothing, and is asked before the work whose result goes there. Raises RangeError for an empty name,
    otherwise CheckpointError.
    """
    text = _name(path, "a file, such as results/page.html")
    with _named(path, "choose another place"):
        kind = _kind(text)
        if kind == stat.S_IFDIR or text.endswith(("/", os.sep)):
            raise _refusal(path, "it is a folder", "a file", "add the name of a file")
        if kind in STREAMS or _own(text) is not None:
            if not os.access(text, os.W_OK, effective_ids=os.access in os.supports_effective_ids):
                raise _refusal(path, "it is write-protected", "a place to write to", "choose another")
            return True
        if kind not in (None, stat.S_IFREG):
            raise _refusal(path, "it is a disk or a socket", "a file", "choose another name")
        place = _behind_links(text)
        if not place.parent.is_dir():
            raise _refusal(path, f"there is no folder {place.parent}", "one", "make it, or choose another")
        if kind is not None:
            os.close(os.open(place, os.O_WRONLY))  # a file that is write-protected would be replaced all the same
        _kind(_temporary(place))  # a name may be too long for that, and for no more
        _try_folder(place.parent)
    return False


def check_folder(path: StrPath) -> None:
    """Raise where no files can be written into the folder ``path``, to be made first or not; changes nothing."""
    text = _name(path, "a folder, such as results")
    with _named(path, "choose another folder"):
        place = _behind_links(text)
        if place == place.parent:
            raise _refusal(path, "it is the root of all files", "a folder of its own", "choose another")
        while _kind(place) is None:
            place = place.parent
        if _kind(place) != stat.S_IFDIR:
            raise _refusal(path, f"{place} is no folder", "one", "choose another")
        _try_folder(place)


def make_folder(path: StrPath, exist_ok: bool = True) -> Path:
    """Make the folder ``path``, and what it lies in, and return it. FileExistsError where it is there, not exist_ok."""
    check_folder(path)
    try:
        os.makedirs(_behind_links(path), exist_ok=exist_ok)
    except OSError as error:
        if isinstance(error, FileExistsError) and not exist_ok:
            raise
        raise CheckpointError(f"{path} cannot be made ({error.strerror}), expected a folder: choose another") from error
    return Path(os.path.expanduser(path))


@contextlib.contextmanager
def appended(path):
    """A text file at the end of what is in ``path``. Raises CheckpointError where the disk fails."""
    with _named(path, "make room, then resume the run"):
        with open(path, "a", encoding="utf-8") as file:
            yield file


def _name(path, example):
    text = os.fspath(path)
    if not text:
        raise RangeError(f"the name of the place to write to is empty, expected {example}: give it a name")
    return os.path.expanduser(text)


@contextlib.contextmanager
def _named(path, remedy):
    """What the operating system refuses, as an error that names ``path``."""
    try:
        yield
    except MiniresError:
        raise
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise CheckpointError(f"{path} cannot be written ({reason}): {remedy}") from error


def _refusal(path, found, expected, remedy):
    return CheckpointError(f"{path} cannot be written: {found}, expected {expected}: {remedy}")


def _behind_links(path):
    """The absolute path, without links; where the last one leads to nothing, what it names."""
    return Path(os.path.realpath(os.path.expanduser(path)))


def _kind(path):
    """The type of what is at ``path``, None where nothing is."""
    try:
        return stat.S_IFMT(os.stat(path).st_mode)
    except FileNotFoundError:
        return None


def _own(path):
    """The number of the stream of this process that goes to ``path``, None if none does."""
    for number in (STDOUT, STDERR):
        with contextlib.suppress(OSError):
            if os.path.samestat(os.stat(path), os.fstat(number)):
                return number
    return None


def _try_folder(folder):
    """Only a try tells whether a folder takes files: not its permissions, where it is on a disk to be read alone."""
    named = sys.platform == "emscripten"  # on the disk of JupyterLite who asks for a file without a name waits for ever
    try:
        with (tempfile.NamedTemporaryFile if named else tempfile.TemporaryFile)(dir=folder):
            pass
    except OSError as error:
        raise OSError(0, f"no file can be made in {folder}: {error.strerror}") from error


def _temporary(place):
    return place.with_name(f".{place.name}.tmp")  # one name: what a crash leaves behind, the next write takes over


@contextlib.contextmanager
def _replaced(place, mode):
    temporary, own = _temporary(place), None
    temporary.unlink(missing_ok=True)
    try:
        with open(temporary, "xb", opener=lambda path, flags: os.open(path, flags, mode)) as file:
            own = os.fstat(file.fileno())
            yield file
            file.flush()
            _keep_permissions(place, file)
            os.fsync(file.fileno())
            if not _is_at(temporary, own):
                raise OSError(0, "another process writes it too")
        os.replace(temporary, place)
    except BaseException:
        with contextlib.suppress(OSError):
            if own is not None and _is_at(temporary, own):
                temporary.unlink()
        raise
    _sync_folder(place.parent)


def _is_at(path, own):
    try:
        return os.path.samestat(os.stat(path), own)
    except FileNotFoundError:
        return False


def _keep_permissions(place, file):
    """Those of the file that is replaced, and its owner where root writes."""
    with contextlib.suppress(FileNotFoundError):
        old = os.stat(place)
        with contextlib.suppress(AttributeError, PermissionError):  # Windows has no owners
            os.chown(file.fileno(), old.st_uid, old.st_gid)
        shutil.copymode(place, file.name)


@contextlib.contextmanager
def _written_to(place):
    """A pipe waits for who reads it, as always. Nothing is made, nothing emptied; the own streams go on behind."""
    own = _own(place)
    with open(os.open(place, os.O_WRONLY) if own is None else os.dup(own), "wb") as file:
        yield file


def _sync_folder(folder):
    """Make a new name in ``folder`` durable; systems that cannot open or sync a folder do without."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
