"""The memory of one run of a plan: a frame for the forward, which the cache owns, and one for the backward."""

import math
import threading

import numpy as np

from .affine import Slopes
from .gradients import blocks_of, spare
from .memory import Chunk


class Frame:
    """What both directions share: arrays of whole batches, scratch memory, and how the batch is cut into chunks."""

    def __init__(self, plan):
        self.dtype, self.sizes, self.total = plan.dtype, plan.sizes, plan.images
        self.starts = [sum(plan.sizes[:i]) for i in range(len(plan.sizes))]
        self._guard = threading.Lock()
        self.arrays, self.filters, self._scratch, self._blocks = {}, {}, {}, {}

    def images(self, i):
        """Which images of the batch chunk i holds."""
        return slice(self.starts[i], self.starts[i] + self.sizes[i])

    def blocks(self, size, chunk):
        """Slices of rows for entry-by-entry passes."""
        key = size, chunk.run
        if key not in self._blocks:
            self._blocks[key] = blocks_of(size[0], size[1] * chunk.run)
        return self._blocks[key]

    def scratch(self, key, numbers):
        """Memory of this frame, the same for the same key; it grows to the largest request."""
        with self._guard:
            if key not in self._scratch or self._scratch[key].size < numbers:
                self._scratch[key] = np.empty(numbers, self.dtype)
            return self._scratch[key][:numbers]

    def _chunks(self, channels, size, extent, border):
        made = []
        for n in self.sizes:
            flat = np.zeros(Chunk.numbers(n, channels, extent, border), self.dtype)
            made.append(Chunk(flat, n, channels, size, extent, border))
        return made


class ForwardFrame(Frame):
    """``chunk(value, i, workspace)``: where chunk i of a value is; kept ones are here, others in the work area."""

    def __init__(self, plan):
        super().__init__(plan)
        self.caches, self.prepared = {}, False
        self.places = plan.places
        self._kept = {v: self._chunks(v.channels, v.size, v.extent, v.border) for v in plan.kept}
        self.states = {affine: affine.start(self, value) for affine, value in plan.affine.items()}

    def chunk(self, value, i, workspace):
        kept = self._kept.get(value)
        if kept is not None:
            return kept[i]
        form = value.channels, value.size, value.extent
        return spare(workspace, form, self.sizes[i], value.border, ("value", self.places[value]))

    def clear(self):
        """Drop what belongs to the last run; keep the memory of the plan."""
        self.arrays.clear()
        self.caches.clear()


class BackwardFrame(Frame):
    """``gradient(buffer, i)``: where chunk i of a gradient is."""

    def __init__(self, plan):
        super().__init__(plan)
        self._buffers = {place: self._chunks(*form, 0) for form, place in plan.gradients}
        self.units = len(plan.units)
        self.unit = [u for u, unit in enumerate(plan.units) for _ in unit]
        self.opens = [i == unit[0] for unit in plan.units for i in unit]
        self.closes = [i == unit[-1] for unit in plan.units for i in unit]
        self.slopes = {}
        self.forward = self.lock = None

    def begin(self, forward, lock):
        """Belong to one forward frame."""
        self.forward, self.lock = forward, lock
        for affine, state in forward.states.items():
            if affine in self.slopes:
                self.slopes[affine].state = state
            else:
                self.slopes[affine] = Slopes(state)

    def gradient(self, buffer, i):
        return self._buffers[buffer.place][i]

    def dweights(self, shape):
        """The gradient of a weight from each unit of work: (units, *shape)."""
        return self.scratch("dweights", self.units * math.prod(shape)).reshape(self.units, *shape)

    def clear(self):
        self.arrays.clear()
        self.forward = self.lock = None
