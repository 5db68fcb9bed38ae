"""An array in a file, known by type and shape; nothing of it is read before it is asked for."""

import math
import zlib
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from ..backend import Array
from ..errors import CheckpointError

# NumPy has no bfloat16: the upper half of a float32
DTYPES = {
    "float64": "<f8",
    "float32": "<f4",
    "float16": "<f2",
    "bfloat16": "<u2",
    "int64": "<i8",
    "int32": "<i4",
    "int16": "<i2",
    "int8": "|i1",
    "uint64": "<u8",
    "uint32": "<u4",
    "uint16": "<u2",
    "uint8": "|u1",
    "bool": "|u1",
    "complex64": "<c8",
    "complex128": "<c16",
}
FLOATS = ("float64", "float32", "float16", "bfloat16")
MAX_AXES = 32
MAX_ENTRIES = 2**40


class Storage:
    """A run of numbers of one type in the bytes of a file; ``crc``: their CRC-32, None or 0 where none is recorded."""

    def __init__(self, dtype: str, count: int, data: Any = None, crc: int | None = None) -> None:
        self.dtype, self.count, self.data, self.crc = dtype, count, data, crc

    @property
    def size(self) -> int:
        """In bytes."""
        return self.count * itemsize(self.dtype)

    def read(self) -> Any:
        """The bytes. Raises ValueError unless they have the recorded CRC-32, which is compared once."""
        if self.crc and zlib.crc32(self.data) != self.crc:
            raise ValueError("the CRC-32 of its values differs from the one in the file")
        self.crc = None
        return self.data


class Deflated(Storage):
    """A Storage whose ``data`` are deflated; ``inside``: the number of bytes inside; no more are inflated."""

    def __init__(self, dtype, size, data, crc):
        super().__init__(dtype, size // itemsize(dtype), data, crc)
        self.inside = size

    def read(self):
        data = inflate(self.data, self.inside + 1)
        if len(data) != self.inside:
            raise ValueError(f"what is deflated has another length, expected {self.inside} bytes")
        if self.crc and zlib.crc32(data) != self.crc:
            raise ValueError("the CRC-32 of its values differs from the one in the file")
        return data


def inflate(data, limit):
    """The first ``limit`` bytes inside deflated ``data``. Raises ValueError."""
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, limit)
    except zlib.error as error:
        raise ValueError(f"it cannot be inflated ({error})") from error


@dataclass(frozen=True)
class StoredTensor:
    """Entries of a :class:`Storage`: the one at index i is number ``offset + sum_k i_k strides_k``."""

    storage: Storage = field(repr=False)
    offset: int
    shape: tuple
    strides: tuple

    @classmethod
    def checked(
        cls, storage: Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...] | None = None
    ) -> Self:
        """The tensor, if every entry lies in the storage; ValueError or TypeError else. Without strides: C order."""
        strides = contiguous(require_sizes("shape", shape)) if strides is None else strides
        require_sizes("strides", strides)
        require_sizes("offset and shape", (offset, *require_sizes("shape", shape)))
        if len(shape) != len(strides):
            raise ValueError(f"a tensor has {len(shape)} sizes and {len(strides)} strides")
        if math.prod(shape) > MAX_ENTRIES:
            raise ValueError(f"a tensor has more than {MAX_ENTRIES} entries")
        last = offset + sum((size - 1) * stride for size, stride in zip(shape, strides))
        if 0 not in shape and last >= storage.count:
            raise ValueError(f"a tensor reaches up to number {last} of a storage of {storage.count}")
        return cls(storage, offset, shape, strides)

    @property
    def dtype(self) -> str:
        return self.storage.dtype

    @property
    def stored_bytes(self) -> int:
        """As many as its entries would fill in a file, each once."""
        return math.prod(self.shape) * itemsize(self.dtype)

    @property
    def nbytes(self) -> int:
        """In memory, where shared and repeated entries are spelled out."""
        return math.prod(self.shape) * itemsize("float32" if self.dtype == "bfloat16" else self.dtype)

    def array(self, name: str = "a tensor") -> Array:
        """A new NumPy array in native byte order; bfloat16 comes as float32, exactly. Raises CheckpointError."""
        dtype = np.dtype(DTYPES[self.dtype])
        if 0 in self.shape:
            values = np.empty(self.shape, dtype)
        else:
            strides = [stride * dtype.itemsize for stride in self.strides]
            try:
                values = np.ndarray(self.shape, dtype, self.storage.read(), self.offset * dtype.itemsize, strides)
            except (ValueError, TypeError, OverflowError) as error:
                raise CheckpointError(f"{name}: {error}: the file is damaged; fetch it again") from error
        if self.dtype == "bfloat16":
            return (values.astype(np.uint32) << 16).view(np.float32)
        if self.dtype == "bool":
            return values != 0
        return np.array(values, dtype.newbyteorder("="), order="C")


def itemsize(dtype):
    """Bytes of one number."""
    return np.dtype(DTYPES[dtype]).itemsize


def contiguous(shape):
    """Strides, in entries, of C order: (2, 3, 4) -> (12, 4, 1)."""
    return tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))


def require_sizes(name, sizes):
    """Return a tuple of integers from 0 to 2^62, or raise TypeError or ValueError."""
    if not isinstance(sizes, tuple) or len(sizes) > MAX_AXES + 1 or not all(type(size) is int for size in sizes):
        raise TypeError(f"the {name} of a tensor is not a tuple of at most {MAX_AXES} integers")
    if not all(0 <= size < 2**62 for size in sizes):
        raise ValueError(f"the {name} of a tensor has a number below 0 or above 2^62")
    return sizes
