"""Members of a tar archive, read in place: nothing is written to disk and no member name is used as a path."""

from collections.abc import Mapping

from ..errors import DataFileError
from .bounded import AGAIN, CHUNK, broken, open_bytes, read_at_most, reading
from .kind import HEAD, refused
from .whole import StrPath

BLOCK = 512
MAX_ARCHIVE = 1 << 30  # bytes after unpacking; the largest archive of CIFAR has 0.2 * 2**30
FILE_TYPES = b"0\0"
SKIPPED_TYPES = b"125xgLK"  # links, folders, and extended headers, which short names do not need


def read_members(path: StrPath, limits: Mapping[str, int]) -> dict[str, bytes]:
    """Return ``{name: bytes}`` of the files in the archive whose name, without folders, is a key of ``limits``.

    path: a .tar or .tar.gz file. limits: {name: most bytes accepted}. Names that the archive lacks are absent
    from the result. The archive is read to its end, so that a truncated one is noticed wherever it was cut.
    The standard library's ``tarfile`` reads extended headers of any size into memory; this reader skips them.
    Raises DataFileError.
    """
    members = {}
    with reading(path), open_bytes(path) as stream:
        used = 0
        while True:
            header = read_at_most(stream, BLOCK)
            if used == 0 and is_other(header):
                raise refused(path, "a tar archive, packed by gzip or not", header + read_at_most(stream, HEAD))
            if len(header) != BLOCK:
                raise broken(path, f"header at byte {used}", f"{len(header)} bytes long", f"{BLOCK} bytes")
            if not any(header):
                break
            name, size, kind = parse_header(path, used, header)
            padded = -(-size // BLOCK) * BLOCK
            used += BLOCK + padded
            if used > MAX_ARCHIVE:
                raise broken(path, "unpacked size", f"at least {used} bytes", f"at most {MAX_ARCHIVE} bytes")
            if kind in FILE_TYPES and name in limits:
                if name in members:
                    raise broken(path, f"number of members named {name}", "2 or more", 1)
                if size > limits[name]:
                    raise broken(path, f"size of member {name}", f"{size} bytes", f"at most {limits[name]} bytes")
                members[name] = read_at_most(stream, size)
                skip(path, name, stream, padded - len(members[name]))
            else:
                skip(path, name, stream, padded)
        finish(path, stream)
    return members


def is_other(header):
    """Whether the first block of a file is none of a tar archive: it has neither the mark nor a checksum, nor zeros."""
    digits = bytes(header[148:156]).strip(b" \0")
    return header[257:262] != b"ustar" and not digits.isdigit() and (any(header) or not header)


def parse_header(path, position, header):
    """Return name without folders, size in bytes and type byte of a member (POSIX.1-1988 "ustar" layout)."""
    name = bytes(header[:100]).split(b"\0")[0].rsplit(b"/")[-1].decode("latin-1")
    try:
        checksum = int(bytes(header[148:156]).strip(b" \0"), 8)
        size = int(bytes(header[124:136]).strip(b" \0") or b"0", 8)
    except ValueError:
        raise DataFileError(f"{path}: the header at byte {position} is not one of a tar archive: {AGAIN}") from None
    actual = sum(header) - sum(header[148:156]) + 8 * ord(" ")
    if checksum != actual:
        raise broken(path, f"checksum of the header at byte {position}", actual, checksum)
    if size < 0:
        raise broken(path, f"size of member {name!r}", size, "0 or more")
    if header[156] not in FILE_TYPES + SKIPPED_TYPES:
        raise broken(path, f"type of member {name!r}", repr(chr(header[156])), "a file, a folder or a link")
    return name, size, header[156]


def skip(path, name, stream, count):
    """Read past ``count`` bytes."""
    while count:
        chunk = stream.read(min(CHUNK, count))
        if not chunk:
            raise broken(path, f"member {name!r}", f"{count} bytes short", "complete")
        count -= len(chunk)


def finish(path, stream):
    """Read the zero blocks behind the last member, which also makes gzip compare its own checksum."""
    rest = 0
    while chunk := stream.read(CHUNK):
        rest += len(chunk)
        if rest > CHUNK or any(chunk):
            raise broken(path, "end of the archive", "followed by further data", "followed by zeros only")
