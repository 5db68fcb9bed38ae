"""Launches: a kernel with its grid and its arguments, made once and run at every step."""

from dataclasses import dataclass

import numpy as np

from ..values import Unsuited
from .modules import NULL

MOST = 2**31 - 2**20  # numbers of an array, which the kernels count in 32 bits, up to the end of the last block


@dataclass(frozen=True, eq=False)
class Launch:
    """``name`` of ``file`` on a ``grid`` of blocks of ``threads``. ``arguments``: arrays of the GPU, NumPy scalars."""

    file: str
    name: str
    grid: tuple[int, ...]
    threads: int
    arguments: tuple

    def bind(self, modules):
        """A function without arguments that launches it."""
        kernel = modules[self.file, self.name]
        return lambda: kernel(self.grid, (self.threads,), self.arguments)


def pitch(channels):
    """The length of a row: the channels rounded up to eight, with zeros behind them."""
    return -(-channels // 8) * 8


def numbers(pixels, channels):
    """Of a value, in rows of pitch(channels)."""
    count = pixels * pitch(channels)
    if count > MOST:
        raise Unsuited(f"{pixels} pixels of {channels} channels are more than the kernels can count")
    return count


def whole(count, part):
    """How many parts cover ``count``."""
    return -(-count // part)


def arguments(*values):
    """Python numbers as the kernels take them, None as no array, arrays and records as they are."""
    types = {int: np.int32, bool: np.int32, float: np.float32}
    return tuple(NULL if v is None else types[type(v)](v) if type(v) in types else v for v in values)


def record(*numbers):
    """Integers as a struct that is passed by value."""
    values = np.array(numbers, np.int32)
    return values.view([("numbers", np.int32, values.shape)])


@dataclass(frozen=True)
class Window:
    """A sliding window along one axis: ``pad`` before the first pixel, ``out`` places."""

    size: int
    out: int
    kernel: int
    stride: int
    pad: int
    dilation: int = 1

    @classmethod
    def of(cls, size, kernel, stride=1, pad=0, dilation=1):
        return cls(size, (size + 2 * pad - dilation * (kernel - 1) - 1) // stride + 1, kernel, stride, pad, dilation)

    def numbers(self):
        return self.size, self.out, self.kernel, self.stride, self.pad, self.dilation
