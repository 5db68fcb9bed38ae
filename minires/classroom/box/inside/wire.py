"""Values as bytes, between a grader and its worker: a fixed set of kinds, nothing that could run when it is read.

value: a tag and its content, little-endian; "N" None, "b" bool, "i" int64, "d" float64, "s" text, "a" array,
"h" handle, "p" part, "f" function, "g" generator, "l" a list of values.   frame: the length of its body (uint32),
the body.
"""

import struct

import numpy as np

DTYPES = "<f4", "<f8", "<i8", "<i4", "|b1", "<c16", "<c8"
CODES = {np.dtype(code): number for number, code in enumerate(DTYPES)}
LIMIT = 64 << 20  # bytes of a frame
DEPTH = 6
AS_TEXT = -2  # the number of an argument that is a function: [its text, its name, its first arguments ...]
SEEN = 16  # arrays that a worker and its grader keep in step
FORMS = {b"b": "<?", b"i": "<q", b"d": "<d", b"h": "<I", b"p": "<I", b"f": "<I", b"g": "<I"}


class WireError(Exception):
    """Bytes that are no value."""


class Handle:
    """What stays on the other side, such as a cache: its number there."""

    def __init__(self, number):
        self.number = number

    def __repr__(self):
        return f"{type(self).__name__}({self.number})"


class Part(Handle):
    """A layer that stays with the grader; the worker gets something with its ``forward`` and ``backward``."""


class Function(Handle):
    """A function that stays with the grader; the worker gets one that calls it."""


class Seed(Handle):
    """Of a generator of random numbers, which the worker makes."""


NUMBERED = {b"h": Handle, b"p": Part, b"f": Function, b"g": Seed}


def pack(value):
    """The bytes of ``value``. Raises WireError for what has no kind."""
    if isinstance(value, np.ndarray):
        return _pack_array(value)
    if value is None:
        return b"N"
    if isinstance(value, (bool, np.bool_)):
        return b"b" + struct.pack("<?", value)
    if isinstance(value, int):
        return b"i" + struct.pack("<q", value)
    if isinstance(value, float):
        return b"d" + struct.pack("<d", value)
    if isinstance(value, str):
        data = value.encode("utf-8", "replace")
        return b"s" + struct.pack("<I", len(data)) + data
    if isinstance(value, Handle):
        (tag,) = (tag for tag, kind in NUMBERED.items() if kind is type(value))
        return tag + struct.pack("<I", value.number)
    if isinstance(value, (list, tuple)):
        return b"l" + struct.pack("<I", len(value)) + b"".join(map(pack, value))
    return _pack_array(value)


def _pack_array(value):
    if not isinstance(value, (np.ndarray, np.number)):
        raise WireError(f"a {type(value).__name__} cannot be sent")
    array = np.asarray(value)
    kind = array.dtype if array.dtype in CODES else array.dtype.newbyteorder("<")
    if kind not in CODES:
        names = ", ".join(np.dtype(code).name for code in DTYPES)
        raise WireError(f"an array of {array.dtype} cannot be sent, expected one of {names}")
    data = np.asarray(array, dtype=kind).tobytes()
    return b"a" + struct.pack(f"<BB{array.ndim}I", CODES[kind], array.ndim, *array.shape) + data


class Unpacker:
    """Reads values from bytes that may be hostile: it trusts no length, and builds nothing but the kinds above."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def value(self, depth=0):
        tag = self._take(1)
        if tag == b"N":
            return None
        if tag in FORMS:
            (number,) = struct.unpack(FORMS[tag], self._take(struct.calcsize(FORMS[tag])))
            return NUMBERED.get(tag, lambda number: number)(number)
        if tag == b"s":
            return self._take(self._size()).decode("utf-8", "replace")
        if tag == b"a":
            return self._array()
        if tag == b"l" and depth < DEPTH:
            return [self.value(depth + 1) for _ in range(self._size())]
        raise WireError(f"no value begins with {tag!r} here")

    def end(self):
        if self.at != len(self.data):
            raise WireError(f"{len(self.data) - self.at} bytes are left over")

    def _array(self):
        code, axes = self._take(2)
        if code >= len(DTYPES) or axes > 32:
            raise WireError("no array")
        shape = struct.unpack(f"<{axes}I", self._take(4 * axes))
        size = np.dtype(DTYPES[code]).itemsize
        for n in shape:
            size *= n  # Python's integers do not overflow
        return np.frombuffer(self._take(size), DTYPES[code]).reshape(shape).copy()

    def _size(self):
        return struct.unpack("<I", self._take(4))[0]

    def _take(self, size):
        if size > len(self.data) - self.at:
            raise WireError("the bytes end too early")
        self.at += size
        return self.data[self.at - size : self.at]


def unpack(data):
    """The value of ``data``. Raises WireError where it is none, or has more behind it."""
    reader = Unpacker(data)
    value = reader.value()
    reader.end()
    return value


def frame(value):
    """The frame of ``value``."""
    body = pack(value)
    if len(body) > LIMIT:
        raise WireError(f"{len(body) / 1e6:.0f} MB are too much for one answer, at most {LIMIT / 1e6:.0f} MB")
    return struct.pack("<I", len(body)) + body
