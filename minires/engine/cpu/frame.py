"""The memory of one run of a plan: a frame for the forward, which the cache owns, and one for the backward."""

import math
import os
import threading

import numpy as np

from . import constants
from .affine import Slopes, State
from .cut import slices
from .memory import Chunk, pages, side_by_side, spare


class Frame:
    """What both directions share: arrays of whole batches, scratch memory, and how the batch is cut into chunks.

    overlay: of what does not outlive a run   zeros: makes its memory
    """

    def __init__(self, cut, overlay, zeros=pages):
        self._overlay, self._borrowed, self._passing, self.passing = overlay, None, {}, {}
        self.dtype, self.sizes, self.total, self._starts = cut.dtype, cut.sizes, cut.images, cut.starts
        self._single = cut.single
        self._zeros, self._guard, self.process = zeros, threading.Lock(), os.getpid()
        self.arrays, self.filters, self._scratch, self._bands, self._rooms = {}, {}, {}, {}, {}

    def images(self, i):
        """Which images of the batch chunk i holds."""
        return slice(self._starts[i], self._starts[i] + self.sizes[i])

    def bands(self, chunk):
        """Lists of slices of rows, for entry-by-entry passes: one list, or several where threads share the chunk."""
        key = chunk.rows.shape
        if key not in self._bands:
            self._bands[key] = bands_of(*key, self._single)
        return self._bands[key]

    def scratch(self, key, numbers):
        """Memory of this frame, the same for the same key; it grows to the largest request."""
        with self._guard:
            if key not in self._scratch or self._scratch[key].size < numbers:
                self._scratch[key] = self._zeros(numbers, self.dtype)
            return self._scratch[key][:numbers]

    def borrow(self, seat, filters):
        """Take the room for what does not outlive a run, and perhaps for filters, from the first thread's work area."""
        if self._borrowed is not seat.passing:
            self._borrowed, self._passing = seat.passing, self._overlay.chunks(seat.passing)
        self.passing = self._passing
        if filters:
            self._scratch["filters"] = seat.filters

    def give_back(self):
        """Behind the run."""
        self.passing = {}

    def room(self, array, like=None):
        """Memory of this frame for an array (N, C, H, W): its axes lie as in ``like``, or as (H, W, N, C)."""
        with self._guard:
            if array not in self._rooms:
                shape, axes = (self.total, *array.shape), (2, 3, 0, 1)
                if like is not None:
                    axes = sorted(range(len(shape)), key=lambda axis: -abs(like.strides[axis]))
                room = self._zeros(math.prod(shape), self.dtype).reshape([shape[axis] for axis in axes])
                self._rooms[array] = room.transpose(np.argsort(axes))
            return self._rooms[array]

    def _chunks(self, forms):
        """A list of chunks for each of the forms (channels, size, extent, border)."""
        pairs = [(form, n) for form in forms for n in self.sizes]
        flats = side_by_side([Chunk.numbers(n, *form) for form, n in pairs], self.dtype, self._zeros)
        chunks = [Chunk(flat, n, *form) for flat, (form, n) in zip(flats, pairs)]
        return [chunks[k : k + len(self.sizes)] for k in range(0, len(chunks), len(self.sizes))]


class ForwardFrame(Frame):
    """``chunk(value, i, workspace)``: where chunk i of a value is. Kept ones are here, those that a later phase reads
    lie in borrowed memory while it runs, others in the work area.
    """

    def __init__(self, forward, zeros=pages):
        super().__init__(forward.cut, forward.overlay, zeros)
        self.caches, self.prepared = {}, False
        self._kept = dict(zip(forward.kept, self._chunks([forward.rooms.form(v) for v in forward.kept])))
        self._others = {v: (forward.rooms.form(v), ("value", place)) for v, place in forward.places.items()}
        self.states = {affine: State(affine, self.sizes, self.dtype, zeros) for affine in forward.plan.maps}
        if forward.frozen:
            self.scratch("filters", forward.filters)

    def chunk(self, value, i, workspace):
        chunks = self._kept.get(value) or self.passing.get(value)
        if chunks:
            return chunks[i]
        form, name = self._others[value]
        return spare(workspace, form, self.sizes[i], name)

    def form(self, phase):
        """What decides which calls a phase makes."""
        return phase.frozen

    def clear(self):
        """Drop what belongs to the last run; keep the memory of the plan."""
        self.arrays.clear()
        self.caches.clear()


class BackwardFrame(Frame):
    """``gradient(buffer, i)``: where chunk i of a gradient is   ``slots``: a row for each unit of work, as long as the
    largest weight
    """

    def __init__(self, backward, zeros=pages):
        super().__init__(backward.cut, backward.overlay, zeros)
        units = backward.cut.units
        self.units = len(units)
        self.unit = [u for u, unit in enumerate(units) for _ in unit]
        self.opens = [i == unit[0] for unit in units for i in unit]
        self.closes = [i == unit[-1] for unit in units for i in unit]
        self.slopes = {}
        self.forward = self.lock = None
        self.slots = self.scratch("slots", self.units * backward.dweight).reshape(self.units, -1)

    def begin(self, forward, lock):
        """Belong to one forward frame."""
        self.forward, self.lock = forward, lock
        for affine, state in forward.states.items():
            if affine in self.slopes:
                self.slopes[affine].state = state
            else:
                self.slopes[affine] = Slopes(state, self._zeros)

    def form(self, phase):
        return phase.frozen, [self.forward.states[affine].near for affine in phase.pending]

    def gradient(self, buffer, i):
        return self.passing[buffer][i]

    def clear(self):
        self.arrays.clear()
        self.forward = self.lock = None


def bands_of(height, length, several):
    """Lists of slices of rows that stay in the cache, together all rows: one list, or more for ``several`` threads."""
    count = constants.PIECES if several and height * length >= constants.PIECES * constants.BAND else 1
    many = max(1, constants.BLOCK // length)
    bands = slices(height, min(count, height))
    return [[slice(r, min(r + many, b.stop)) for r in range(b.start, b.stop, many)] for b in bands]
