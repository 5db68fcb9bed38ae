"""The parts of a plan."""

import time

from ...layers import Linear
from ..operations import Convolution
from . import constants
from .crew import do


class Phase:
    """Steps that each chunk goes through alone, with what must be ready before and what is done with all chunks after.

    steps: functions of (frame, i, workspace)   prepare, finish: functions of the frame   owners: the operation of each
    step   pending: the affine maps whose sums are complete only behind this phase   settles: in backward, the
    parameters whose gradients are whole behind this phase   filters: where its filters begin in their memory, and end
    alone: without the threads of BLAS
    """

    alone = True

    def __init__(self, filters=0):
        self.prepare, self.steps, self.finish, self.pending = [], [], [], set()
        self.owners, self.settles, self.filters = [], [], filters
        self.convolves = False

    def add(self, step, owner, before=None):
        """Add a step of an operation, behind the others or before the first of an operation."""
        k = len(self.steps) if before is None else self.owners.index(before)
        self.steps.insert(k, step)
        self.owners.insert(k, owner)

    @property
    def frozen(self):
        """Which of the convolutions have frozen weights: their gradients are not computed."""
        return [o.layer.weight.frozen for o in self.owners if isinstance(o, Convolution)]

    def take(self, frame, known, unit, seat):
        """Take the chunks of one unit through this phase, and note the time of each step.

        What a step calls, with which arrays, is the same whenever the frame runs again: it is done once by the step,
        then from the list of its calls, in ``known``.
        """
        spent = seat.spent.setdefault(self, [0.0] * len(self.steps))
        for i in unit:
            form, record = (seat.grown, frame.form(self)), []
            before, lists = known.get((self, i), (None, None))
            if before != form:
                lists = None
            if lists is None:
                seat.begin(self)
            for k, step in enumerate(self.steps):
                began = time.perf_counter()
                if lists is None:
                    seat.calls = []
                    step(frame, i, seat)
                    record.append(seat.calls)
                else:
                    do(lists[k])
                spent[k] += time.perf_counter() - began
            if lists is None:
                seat.calls = []  # they may be about this work area, which would not go
                if not seat.scattered:
                    known[self, i] = form, record


class Whole:
    """A layer of the definition, on whole arrays. ``alone``: whether one thread is to do its products, as for a Linear
    of a usual size: the threads of BLAS would wait 100 ms for more, on the cores that the next phases want
    """

    def __init__(self, operation, images):
        self.operation, self.owners, self.settles = operation, [operation], []
        layer = operation.layer
        self.alone = isinstance(layer, Linear) and images * layer.weight.data.size <= constants.THREADED


def settle(phases):
    """Note where the gradient of each parameter is whole: behind the last phase that has a layer with it."""
    behind = set()
    for phase in reversed(phases):
        for layer in _layers(phase):
            params = [p for _, p in layer.params() if id(p) not in behind]
            phase.settles += params
            behind |= {id(p) for p in params}


def _layers(phase):
    for operation in phase.owners:
        yield from (part.layer for part in (operation, *getattr(operation, "maps", ())) if hasattr(part, "layer"))
