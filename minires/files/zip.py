"""Zip archives as PyTorch and NumPy write them: members are found without extracting anything.

Only what they need is accepted: no compression but deflation, no encryption, no two members with one name or the same
bytes, no names that lead elsewhere. Sizes come from the central directory, as PyTorch leaves them out in front of the
members. Source: PKWARE's APPNOTE, sections 4.3 and 4.5.
"""

import struct
from typing import NamedTuple

END, END64, LOCATOR64 = b"PK\5\6", b"PK\6\6", b"PK\6\7"
ENTRY, LOCAL = struct.Struct("<4s6H3I5H2I"), struct.Struct("<4s5H3I2H")
MAX_MEMBERS = 200_000
STORED, DEFLATED = 0, 8
ENCRYPTED = 0x2041  # bits 0, 6 and 13: encrypted, strongly encrypted, names masked


class Member(NamedTuple):
    """Where the bytes of a member stand in the file, and CRC-32 and size of what they hold, deflated or as it is.

    The size of a deflated member is what the archive says.
    """

    start: int
    packed: int
    crc: int
    size: int
    deflated: bool


def read_directory(data):
    """{name: Member} of the zip archive ``data`` (bytes or mmap). Raises ValueError."""
    start, size, count = _end(data)
    if count > MAX_MEMBERS:
        raise ValueError(f"the archive has {count} members, expected at most {MAX_MEMBERS}")
    if start + size > len(data) or count * ENTRY.size > size:
        raise ValueError(f"the directory of the archive does not fit into {len(data)} bytes")
    directory, members, at = bytes(data[start : start + size]), {}, 0
    for _ in range(count):
        name, member, at = _entry(data, directory, at)
        if name in members:
            raise ValueError(f"the archive has two members called {name[:80]!r}")
        members[name] = member
    if at != size:
        raise ValueError(f"the directory of the archive has {size} bytes, its {count} entries fill {at}")
    position = 0
    for member in sorted(members.values()):
        if member.start < position or member.start + member.packed > start:
            raise ValueError("members of the archive overlap")
        position = member.start + member.packed
    return members


def _end(data):
    """(position, size, entries) of the central directory; the 64-bit record wins where there is one."""
    at = len(data) - 22
    if at < 0 or data[at : at + 4] != END or data[at + 20 : at + 22] != b"\0\0":
        raise ValueError("the archive has no end: it is cut, or has bytes behind its end")
    _, disk, disk_too, here, count, size, start, _ = struct.unpack("<4s4H2IH", data[at : at + 22])
    if disk or disk_too or here != count:
        raise ValueError("the archive is spread over several files")
    locator = at - 20
    if locator >= 0 and data[locator : locator + 4] == LOCATOR64:
        (at,) = struct.unpack("<Q", data[locator + 8 : locator + 16])
        if at + 56 > locator or data[at : at + 4] != END64:
            raise ValueError("the archive lacks the 64-bit record that it points to")
        here, count, size, start = struct.unpack("<4Q", data[at + 24 : at + 56])
        if here != count:
            raise ValueError("the archive is spread over several files")
    return start, size, count


def _entry(data, directory, at):
    """(name, Member, position of the next entry) of an entry of the directory."""
    if at + ENTRY.size > len(directory):
        raise ValueError("the directory of the archive is cut")
    fields = ENTRY.unpack_from(directory, at)
    signature, _, _, flags, method, _, _, crc, packed, size, names, extras, comments, disk, _, _, local = fields
    texts = directory[at + ENTRY.size : at + ENTRY.size + names + extras]
    if signature != b"PK\1\2" or len(texts) != names + extras:
        raise ValueError("the directory of the archive is damaged")
    name = _name(texts[:names])
    size, packed, local = _wide(texts[names:], size, packed, local)
    if flags & ENCRYPTED:
        raise ValueError(f"member {name[:80]!r} is encrypted")
    if method not in (STORED, DEFLATED) or (method == STORED and packed != size):
        raise ValueError(f"member {name[:80]!r} is compressed in an unknown way")
    if disk:
        raise ValueError("the archive is spread over several files")
    start = _start(data, local, texts[:names])
    return name, Member(start, packed, crc, size, method == DEFLATED), at + ENTRY.size + names + extras + comments


def _name(raw):
    name = raw.decode("utf-8")
    if name.startswith("/") or "\\" in name or "\0" in name or ".." in name.split("/"):
        raise ValueError(f"a member is called {name[:80]!r}, which leads out of the archive")
    return name


def _wide(extra, *sizes):
    """Each of ``sizes`` that is 2^32 - 1 stands in the extra field of kind 1, in this order."""
    wide = b""
    while len(extra) >= 4:
        kind, length = struct.unpack_from("<2H", extra)
        if kind == 1:
            wide = extra[4 : 4 + length]
        extra = extra[4 + length :]
    for size in sizes:
        if size == 2**32 - 1:
            if len(wide) < 8:
                raise ValueError("a member of the archive lacks its 64-bit size")
            size, wide = struct.unpack_from("<Q", wide)[0], wide[8:]
        yield size


def _start(data, local, name):
    """Where the bytes of the member begin whose local header stands at ``local``."""
    header = data[local : local + LOCAL.size]
    if len(header) != LOCAL.size or header[:4] != b"PK\3\4":
        raise ValueError(f"member {name[:80]!r} is not where the directory says")
    *_, names, extras = LOCAL.unpack(header)
    if data[local + LOCAL.size : local + LOCAL.size + names] != name:
        raise ValueError(f"member {name[:80]!r} has another name in front of its bytes")
    return local + LOCAL.size + names + extras
