"""Memory of the engine: chunks of images, work areas, and views whose bounds are checked.

A chunk holds n images as (H, W, n, C), inside a border of zeros. Any shift of the image is then a step along the
outer axes, while the inner run of n C numbers stays contiguous: tiles and windows are views, nothing is gathered.
"""

import itertools
import math

import numpy as np
from numpy.lib.stride_tricks import as_strided

from . import constants


def view(flat, offset, shape, strides):
    """``flat`` (1-D) as an array of this shape; offset and strides count numbers. Raises where it leaves ``flat``."""
    last = offset + sum((n - 1) * s for n, s in zip(shape, strides))
    if offset < 0 or last >= flat.size:
        raise IndexError(f"a view of shape {shape} reaches {offset} to {last}, the memory ends at {flat.size - 1}")
    return as_strided(flat[offset:], shape, [s * flat.itemsize for s in strides])


def constant(array):
    """The array, which nobody writes into from now on: other processes may have a copy of it."""
    array.setflags(write=False)
    return array


def side_by_side(lengths, dtype, zeros=np.zeros):
    """Arrays of zeros of these lengths, in one piece of memory: Linux backs a large one by pages of 2 MB."""
    lengths = list(lengths)
    starts = [0, *itertools.accumulate(length + constants.SLACK for length in lengths)]
    whole = zeros(starts[-1], dtype)
    return [whole[start : start + length] for start, length in zip(starts, lengths)]


class Chunk:
    """n images as (H, W, n, C) at the place (border, border) of a zeroed (H' + 2 border, W' + 2 border, n, C).

    H' >= H and W' >= W are the extent: what tiles reach. ``image``: (H, W, n, C)   ``rows``: the same as (H, W n C)
    """

    def __init__(self, flat, n, channels, size, extent, border):
        self.flat, self.n, self.channels, self.border = flat, n, channels, border
        self.run = n * channels
        self.line = (extent[1] + 2 * border) * self.run
        self.start = border * (self.line + self.run)
        height, width = size
        self.rows = view(flat, self.start, (height, width * self.run), (self.line, 1))
        self.image = view(flat, self.start, (height, width, n, channels), (self.line, self.run, channels, 1))
        self._views = {}

    def window(self, row, column, shape, strides):
        """A view from the pixel (row, column) of the image, negative in the border; strides are in numbers."""
        return view(self.flat, self.start + row * self.line + column * self.run, shape, strides)

    def views(self, key, make):
        """``make(self)``, made once for each key: a view costs more than the operation that uses it."""
        if key not in self._views:
            self._views[key] = make(self)
        return self._views[key]

    @staticmethod
    def numbers(n, channels, extent, border):
        return (extent[0] + 2 * border) * (extent[1] + 2 * border) * n * channels


class Workspace:
    """The work area of one thread: arrays by name, as large as the largest that was asked for.

    ``do`` calls a function and notes the call, so that the next run of the same chunk is a flat list of calls.
    ``spent``: the seconds of each step of each phase   ``crew``: the work areas of all threads, where they have one
    chunk to share   ``grown``: how often an array had to grow; calls that were noted before know the old one
    zeros: makes the memory that stays
    """

    def __init__(self, dtype, zeros=np.zeros):
        self.dtype, self.zeros, self.crew, self.calls, self.grown = dtype, zeros, None, [], 0
        self._roots, self._views, self.spent, self._gathered = {}, {}, {}, 0

    def do(self, function, *arguments):
        """function(*arguments), now and whenever the calls are repeated: the arguments must be the same then."""
        function(*arguments)
        self.calls.append((function, arguments))

    def flat(self, name, size):
        """The first ``size`` numbers of the array ``name``; zeros when new."""
        root = self._roots.get(name)
        if root is None or root.size < size:
            root = self._roots[name] = np.zeros(size, self.dtype)
            self._views.clear()
            self.grown += 1
        return root[:size]

    @property
    def scattered(self):
        """Whether an array had to grow since they were laid side by side."""
        return self._gathered != self.grown

    def gather(self):
        """Lay the arrays side by side, now that it is known how large they are."""
        if not self.scattered:
            return
        self._gathered = self.grown = self.grown + 1
        self.calls = []
        self._views.clear()
        lengths = {name: root.size for name, root in self._roots.items()}
        self._roots.clear()  # before there are two of them
        self._roots = dict(zip(lengths, side_by_side(lengths.values(), self.dtype, self.zeros)))

    def array(self, name, shape):
        """The array ``name`` as ``shape``, with whatever stands in it."""
        return self.views((name, shape), lambda: self.flat(name, math.prod(shape)).reshape(shape))

    def mask(self, shape):
        """An array of truth values."""
        numbers = math.prod(shape)
        room = -(-numbers // self.dtype.itemsize)
        return self.views(("mask", shape), lambda: self.flat("mask", room).view(bool)[:numbers].reshape(shape))

    def views(self, key, make):
        """``make()``, made once for each key, and again when an array had to grow."""
        if key not in self._views:
            found = make()
            self._views[key] = found
        return self._views[key]

    def slabs(self, name, rows, columns, length):
        """(flat, row stride, column stride) of ``rows`` x ``columns`` slabs of ``length`` numbers."""
        pitch = length + constants.SLACK
        return self.flat(name, rows * columns * pitch), columns * pitch, pitch


def spare(workspace, form, n, name):
    """A chunk of the work area, zero around its image; form: (channels, size, extent, border)"""

    def make():
        channels, _, extent, border = form
        return Chunk(workspace.flat(key, Chunk.numbers(n, channels, extent, border)), n, *form)

    key = "chunk", name, form, n
    return workspace.views(key, make)
