"""The parts of a plan."""

from ...layers import Linear
from ..operations import Convolution
from . import constants


class Phase:
    """Steps that each chunk goes through alone, with what must be ready before and what is done with all chunks after.

    steps: functions of (frame, i, workspace)   prepare, finish: (function, argument) for function(frame, argument),
    in any order   pending: the affine maps whose sums are complete only behind this phase   owners: the operation of
    each step   settles: in backward, the parameters whose gradients are whole behind this phase   filters: where its
    filters begin in their memory, and end   alone: without the threads of BLAS
    """

    alone = True

    def __init__(self, filters=0):
        self.prepare, self.steps, self.finish, self.pending = [], [], [], set()
        self.owners, self.settles, self.filters = [], [], filters
        self.convolves = False

    def add(self, step, owner):
        self.steps.append(step)
        self.owners.append(owner)

    @property
    def frozen(self):
        """Which of the convolutions have frozen weights: their gradients are not computed."""
        return [o.layer.weight.frozen for o in self.owners if isinstance(o, Convolution)]


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
