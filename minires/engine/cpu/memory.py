"""Memory of the engine: chunks of images, work areas, and views whose bounds are checked.

A chunk holds n images as (H, W, n, C), inside a border of zeros. Any shift of the image is then a step along the
outer axes, while the inner run of n C numbers stays contiguous: tiles and windows are views, nothing is gathered.
"""

import itertools
import math
import mmap
from contextlib import suppress

import numpy as np
from numpy.lib.stride_tricks import as_strided

from ..lifetimes import offsets
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


def pages(numbers, dtype):
    """An array of zeros whose memory goes back to the system at its end: C's heap may keep what it was given once."""
    length = max(1, numbers * np.dtype(dtype).itemsize)
    private = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if hasattr(mmap, "MAP_PRIVATE") else {}
    piece = mmap.mmap(-1, length, **private)
    with suppress(AttributeError, OSError):  # Linux backs a large piece by pages of 2 MB then, as NumPy has it do
        piece.madvise(mmap.MADV_HUGEPAGE)
    return np.frombuffer(piece, dtype, numbers)


def side_by_side(lengths, dtype, zeros=pages):
    """Arrays of zeros of these lengths, in one piece of memory."""
    lengths = list(lengths)
    *starts, end = _starts(lengths)
    whole = zeros(end, dtype)
    return [whole[start : start + length] for start, length in zip(starts, lengths)]


def _starts(lengths):
    """Where arrays of these lengths begin that lie side by side, and where the last ends."""
    return [0, *itertools.accumulate(length + constants.SLACK for length in lengths)]


class Chunk:
    """n images as (H, W, n, C) at the place (border, border) of a zeroed (H' + 2 border, W' + 2 border, n, C).

    H' >= H and W' >= W are the extent: what tiles reach. ``image``: (H, W, n, C)   ``rows``: the same as (H, W n C)
    ``clean``: whether what is around it stays zero from run to run
    """

    clean = False

    def __init__(self, flat, n, channels, size, extent, border):
        self.flat, self.n, self.channels, self.border = flat, n, channels, border
        self.run = n * channels
        self.line = (extent[1] + 2 * border) * self.run
        self.start = border * (self.line + self.run)
        height, width = size
        self.size = size
        self.rows = view(flat, self.start, (height, width * self.run), (self.line, 1))
        self.image = view(flat, self.start, (height, width, n, channels), (self.line, self.run, channels, 1))
        self._views = {}

    def window(self, row, column, shape, strides):
        """A view from the pixel (row, column) of the image, negative in the border; strides are in numbers."""
        return view(self.flat, self.start + row * self.line + column * self.run, shape, strides)

    def around(self):
        """Views of all that lies around the image: before it, between its rows, behind it."""
        height, width = self.size[0], self.size[1] * self.run
        between = view(self.flat, self.start + width, (height, self.line - width), (self.line, 1))
        return self.flat[: self.start], between, self.flat[(self.border + height) * self.line :]

    def views(self, key, make):
        """``make(self)``, made once for each key: a view costs more than the operation that uses it."""
        if key not in self._views:
            self._views[key] = make(self)
        return self._views[key]

    @staticmethod
    def numbers(n, channels, size, extent, border):
        """How long ``flat`` is."""
        return (extent[0] + 2 * border) * (extent[1] + 2 * border) * n * channels


class Overlay:
    """Chunks of what does not live at once, in the same memory, whatever their forms.

    spans: {item: (its form, its first use, its last)}   sizes: images of each chunk   ``rooms``: numbers of each chunk
    """

    def __init__(self, spans, sizes):
        self._spans, self._sizes, self._places = spans, sizes, {}
        rooms = {}
        for n in set(sizes):
            numbers = [
                (item, Chunk.numbers(n, *form) + constants.SLACK, *span) for item, (form, *span) in spans.items()
            ]
            self._places[n], rooms[n] = offsets(numbers)
        self.rooms = [rooms[n] for n in sizes]

    def chunks(self, memory):
        """{item: its chunks}; memory: an array for each chunk"""
        found = {item: [] for item in self._spans}
        for n, flat in zip(self._sizes, memory):
            for item, (form, *_) in self._spans.items():
                found[item].append(Chunk(flat[self._places[n][item] :][: Chunk.numbers(n, *form)], n, *form))
        return found


class Workspace:
    """The work area of one thread: arrays by name, as large as the largest that was asked for.

    What stands in an array is of use in one phase only, so those of all phases share one room; but ``clean`` ones, of
    which some numbers stay zero, have memory of their own.

    ``do`` calls a function and notes the call, so that the next run of the same chunk is a flat list of calls.
    ``spent``: the seconds of each step of each phase   ``grown``: how often an array had to grow; calls that were noted
    before know the old one   ``crew``: of the first thread, where all share one chunk, see :mod:`.crew`
    ``filters``, ``passing``: of the first thread, the room for the filters of all, and for values and gradients of the
    batch that do not outlive a run   zeros: makes the memory that stays
    """

    def __init__(self, dtype, zeros=pages):
        self.dtype, self.zeros, self.crew, self.calls, self.grown = dtype, zeros, None, [], 0
        self.filters = self.passing = None
        self._sizes, self._roots, self._views, self.spent, self._gathered = {}, {}, {}, {}, 0
        self.phase = self._home = None

    @property
    def home(self):
        """The work area where chunks lie: this one, but for those that have a share of the chunk of another."""
        return self._home or self

    def begin(self, phase, home=None):
        """From now on the arrays are those of this phase. home: the work area whose chunk is shared"""
        self._home = home
        if phase is self.phase:
            return
        self.phase, self.calls = phase, []
        self._views.clear()
        if self.scattered:  # room for the next: those of the last phase are of no more use
            self._roots = {key: root for key, root in self._roots.items() if key[0] is None}

    def do(self, function, *arguments):
        """function(*arguments), now and whenever the calls are repeated: the arguments must be the same then."""
        function(*arguments)
        self.calls.append((function, arguments))

    def flat(self, name, size, clean=False):
        """The first ``size`` numbers of the array ``name``; zeros when new, and still where nobody wrote if clean."""
        key = None if clean else self.phase, name
        if self._sizes.get(key, 0) < size:
            self._sizes[key] = size
            self._roots.pop(key, None)
            self._views.clear()
            self.grown += 1
        if key not in self._roots:
            self._roots[key] = pages(self._sizes[key], self.dtype)
        return self._roots[key][:size]

    @property
    def scattered(self):
        """Whether an array had to grow since they were laid side by side."""
        return self._gathered != self.grown

    def gather(self):
        """Lay the arrays side by side, now that it is known how large they are."""
        if not self.scattered:
            return
        self._gathered = self.grown = self.grown + 1
        self.calls, self.phase = [], None
        self._views.clear()
        self._roots.clear()  # before there are two of them
        phases = {}
        for (phase, name), size in self._sizes.items():
            phases.setdefault(phase, {})[phase, name] = size
        clean = phases.pop(None, {})
        ends = [_starts(sizes.values())[-1] for sizes in phases.values()]
        room, *arrays = side_by_side([max(ends, default=0), *clean.values()], self.dtype, self.zeros)
        self._roots.update(zip(clean, arrays))
        for sizes in phases.values():
            for key, start in zip(sizes, _starts(sizes.values())):
                self._roots[key] = room[start : start + sizes[key]]

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
    """A chunk of the work area; form: (channels, size, extent, border). Who writes it surrounds it first.

    Clean ones have memory of their own for each form, others share it by their name.
    """

    def make():
        clean = is_clean(form, n)
        chunk = Chunk(workspace.flat(key if clean else key[:2], Chunk.numbers(n, *form), clean), n, *form)
        chunk.clean = clean
        return chunk

    workspace, key = workspace.home, ("chunk", name, form, n)
    return workspace.views(key, make)


def is_clean(form, n):
    """Whether chunks of n images keep the zeros around them."""
    return form[3] > 0 and Chunk.numbers(n, *form) <= constants.CLEAN


def surround(chunk, workspace):
    """Zeros around a chunk, if it has a border and others had its memory in between."""
    if chunk.border and not chunk.clean:
        for part in chunk.around():
            workspace.do(part.fill, 0)
