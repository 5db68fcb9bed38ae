"""Reading files that may be truncated, oversized or hostile, with memory bounded by what was announced."""

import gzip
import zlib
from contextlib import contextmanager
from pathlib import Path

from ..errors import DataFileError

CHUNK = 1 << 20
AGAIN = "the file is damaged or of another kind; fetch it again"


def broken(path, field, found, expected, remedy=AGAIN):
    """The DataFileError of a ``field`` of the file at ``path`` that has the value ``found``."""
    return DataFileError(f"{path}: {field} is {found}, expected {expected}: {remedy}")


def place(path):
    """The file or folder as a Path; ``~`` is the home folder."""
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise DataFileError(f"{path}: there is no such home folder ({error}): give the path in full") from error


@contextmanager
def reading(path):
    """Turn what the operating system and the decompressor raise inside the block into DataFileError."""
    try:
        yield
    except FileNotFoundError as error:
        raise DataFileError(f"{path}: there is no such file: check the path") from error
    except (OSError, EOFError, zlib.error) as error:
        system = getattr(error, "strerror", None)  # absent where the decompressor raised it
        remedy = "check the path and its permissions" if system else AGAIN
        raise DataFileError(f"{path}: cannot be read ({system or error}): {remedy}") from error


@contextmanager
def open_bytes(path):
    """Open the file as bytes, unpacking gzip on the way.

    The first two bytes decide, not the name: browsers unpack downloads and leave the name as it was.
    """
    with open(path, "rb") as raw:
        packed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        if packed:
            with gzip.GzipFile(fileobj=raw) as stream:
                yield stream
        else:
            yield raw


def read_at_most(stream, count):
    """Read ``count`` bytes, or fewer where the stream ends; memory follows what is there, not ``count``."""
    data = bytearray()
    while len(data) < count:
        chunk = stream.read(min(CHUNK, count - len(data)))
        if not chunk:
            break
        data += chunk
    return data


def read_file(path, limit):
    """Return the bytes of a file of at most ``limit`` bytes. Raises DataFileError."""
    with reading(path):
        size = Path(path).stat().st_size
        if size > limit:
            raise broken(path, "file size", f"{size} bytes", f"at most {limit} bytes")
        with open(path, "rb") as stream:
            return read_at_most(stream, limit)
