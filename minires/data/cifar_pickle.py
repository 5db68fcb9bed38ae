"""The pickles of CIFAR's python version, read without running anything in them.

Each file is a dict with ``data``, an array (N, 3072) uint8, and a list of N labels under ``labels`` or
``fine_labels``. The official files were written by Python 2; the same dict written by Python 3 (protocols 2 to 5, NumPy
1 or 2) is read as well.
"""

from typing import Any

import numpy as np

from minires.errors import DataFileError
from minires.files.bounded import AGAIN, broken
from minires.files.unpickle import unpickle


class PickledDType:
    """The type of an array; only unsigned bytes are accepted."""

    def __init__(self, code, align=False, copy=False):
        if text(code) != "u1":
            raise ValueError(f"array dtype is {text(code)[:20]!r}, expected 'u1' (unsigned byte)")

    def setstate(self, state):
        """Byte order and the like: without meaning for single bytes."""


class PickledArray:
    """An array of unsigned bytes as the pickle describes it; no pixel is copied before :meth:`array` asks for it."""

    def __init__(self):
        self.shape, self.order, self.buffer = (0,), "C", b""

    def setstate(self, state):
        """Take (version, shape, dtype, whether Fortran order, bytes), the state that ``ndarray.__reduce__`` writes."""
        if not isinstance(state, tuple) or len(state) != 5:
            raise ValueError("the state of an array is not a tuple of 5 values")
        _, shape, dtype, fortran, buffer = state
        self.fill(shape, dtype, "F" if fortran else "C", buffer)

    def fill(self, shape, dtype, order, buffer):
        if not isinstance(dtype, PickledDType):
            raise TypeError(f"the dtype of an array is a {type(dtype).__name__}")
        if not isinstance(shape, tuple) or not all(type(size) is int and size >= 0 for size in shape):
            raise TypeError("the shape of an array is not a tuple of sizes")
        if text(order) not in ("C", "F"):
            raise ValueError("the order of an array is neither 'C' nor 'F'")
        if not isinstance(buffer, (str, bytes, bytearray)):
            raise TypeError(f"the values of an array are a {type(buffer).__name__}")
        self.shape, self.order, self.buffer = shape, text(order), buffer

    def array(self):
        """The array itself, uint8. Raises ValueError where shape and number of bytes differ."""
        buffer = self.buffer.encode("latin-1") if isinstance(self.buffer, str) else self.buffer
        return np.frombuffer(buffer, np.uint8).reshape(self.shape, order=self.order)


def text(value):
    """Strings of Python 2 and byte strings of Python 3 alike, as str."""
    if isinstance(value, (bytes, bytearray)):
        return value.decode("latin-1")
    if not isinstance(value, str):
        raise TypeError(f"found a {type(value).__name__}, expected a string")
    return value


def reconstruct(subtype, shape, typecode):
    """An array that a later BUILD fills."""
    return PickledArray()


def from_buffer(buffer, dtype, shape, order, *_):
    """An array of protocol 5."""
    array = PickledArray()
    array.fill(shape, dtype, order, buffer)
    return array


def encode(string, encoding):
    """Protocol 2 has no bytes of Python 3 and writes them as Latin-1 text, which serves here as it is."""
    if text(encoding).replace("-", "") != "latin1":
        raise ValueError(f"the encoding is {text(encoding)[:20]!r}, expected 'latin1'")
    return text(string)


def empty_bytes():
    """``bytes()`` in protocol 2."""
    return ""


ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): None,
    ("numpy", "dtype"): PickledDType,
    ("_codecs", "encode"): encode,
    ("__builtin__", "bytes"): empty_bytes,
}
for _package in ("numpy.core", "numpy._core"):
    ALLOWED[f"{_package}.multiarray", "_reconstruct"] = reconstruct
    ALLOWED[f"{_package}.numeric", "_frombuffer"] = from_buffer


def read_batch(path, data, label_key, records):
    """Return pixels (N, 3072) uint8 and labels (N,) int64 of one file; N must be ``records``. Raises DataFileError."""
    batch, length = unpickle(data, ALLOWED, path)
    if length != len(data):
        raise broken(path, "file size", f"{len(data)} bytes", f"{length} bytes, where the pickle ends")
    if not isinstance(batch, dict):
        raise broken(path, "the pickled value", f"a {type(batch).__name__}", "a dict")
    pixels, labels = (batch.get(key, batch.get(key.encode())) for key in ("data", label_key))
    if not isinstance(pixels, PickledArray):
        raise broken(path, "entry 'data'", f"a {type(pixels).__name__}", "an array")
    if pixels.shape != (records, 3072):
        raise broken(path, "shape of entry 'data'", pixels.shape, (records, 3072))
    if not isinstance(labels, list) or not all(type(label) is int for label in labels):
        raise broken(path, f"entry {label_key!r}", f"a {type(labels).__name__}", "a list of int")
    if len(labels) != records:
        raise broken(path, f"length of entry {label_key!r}", len(labels), records)
    try:
        return pixels.array(), np.array(labels, np.int64)
    except (ValueError, OverflowError) as error:
        raise DataFileError(f"{path}: entry 'data' or {label_key!r}: {error}: {AGAIN}") from error
