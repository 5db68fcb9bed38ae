"""NumPy's archives of arrays (.npz): a zip with a file of one array in each member, stored or deflated.

A header that numpy.lib.format writes is known by its spelling; nothing in it is evaluated, and objects are refused.
"""

import re

from .stored import DTYPES, Deflated, Storage, StoredTensor, contiguous, inflate, itemsize

MAGIC = b"\x93NUMPY"
MAX_HEADER = 1024
HEADER = re.compile(
    rb"\{'descr': '([<>|]\w{1,8})', 'fortran_order': (True|False), 'shape': \(((?:\d{1,18}, ?)*\d{0,18})\), *\} *\n"
)
KINDS = {code: dtype for dtype, code in DTYPES.items() if dtype not in ("bfloat16", "bool")} | {"|b1": "bool"}


def is_npz(members):
    return bool(members) and all(name.endswith(".npy") for name in members)


def read_npz(data, members):
    """{name: StoredTensor} of the members of an archive. Raises ValueError or TypeError."""
    return {name.removesuffix(".npy"): _tensor(name, data, member) for name, member in members.items()}


def _tensor(name, data, member):
    raw = memoryview(data)[member.start : member.start + member.packed]
    head = inflate(raw, MAX_HEADER) if member.deflated else bytes(raw[:MAX_HEADER])
    start = {b"\1\0": 10, b"\2\0": 12, b"\3\0": 12}.get(head[6:8])
    match = HEADER.match(head, start) if start and head.startswith(MAGIC) else None
    if not match or match.end() != start + int.from_bytes(head[8:start], "little"):
        raise ValueError(f"member {name[:80]!r} has no header of an array of numbers")
    code, fortran, sizes = match[1].decode(), match[2] == b"True", match[3].decode()
    if code not in KINDS:
        raise ValueError(f"{name[:80]!r} has the type {code!r}, expected one of {', '.join(KINDS)}")
    shape = tuple(int(size) for size in sizes.split(",") if size.strip())
    dtype, strides = KINDS[code], contiguous(shape[::-1])[::-1] if fortran else contiguous(shape)
    storage = (
        Deflated(dtype, member.size, raw, member.crc)
        if member.deflated
        else Storage(dtype, member.size // itemsize(dtype), raw, member.crc)
    )
    tensor = StoredTensor.checked(storage, match.end() // itemsize(dtype), shape, strides)
    if match.end() + tensor.stored_bytes != member.size or match.end() % itemsize(dtype):
        raise ValueError(f"{name[:80]!r} has {member.size} bytes, expected {match.end() + tensor.stored_bytes}")
    return tensor
