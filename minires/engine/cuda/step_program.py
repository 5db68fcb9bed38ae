"""A step of training as launches: images, forward, loss, backward, update; nothing between them is the host's."""

import numpy as np

from .. import operations as op
from ..values import Unsuited
from . import steps
from .backward import Backward
from .forward import Forward
from .linear import in_rows
from .program import Program
from .slots import Call, Slot


class StepProgram(Program):
    """``forward`` is the whole step: memory is shared over all of it.

    feed: a :class:`~.feed.Feed`   loss: SoftmaxCrossEntropy without class weights   parameters: :class:`~.parameters.
    Parameters`   results: the slots of :class:`~.feed.Results`
    """

    def __init__(self, plan, precision, feed, loss, parameters, results):
        self.plan, self.precision = in_rows(plan), precision
        self.feed, self.loss, self.parameters, self.results = feed, loss, parameters, results
        forward = Forward(self.plan, precision, feed.source)
        _require_kernels(self.plan, forward)
        logits = forward.rows[self.plan.operations[-1].x]
        dlogits = Slot(logits.shape, logits.dtype)
        backward = Backward(forward, dlogits)
        gradients = parameters.slots["g"]
        clear = Call(lambda frame: frame.given[gradients].fill(0), ())
        lossy = self._loss(logits, dlogits)
        update = parameters.launch(feed.slots["lr"])
        self.forward = [clear, *forward.launches, *forward.track, *lossy, *backward.launches, update]
        self.track, self.backward = [], []
        self.owners = [None, *forward.owners, *[None] * len(forward.track + lossy)]
        self.turn = len(self.owners)
        self.owners += [*backward.owners, None]
        self._place(forward)

    def _loss(self, logits, dlogits):
        """Softmax cross-entropy: two launches."""
        (classes,) = self.plan.output.shape
        rows = Slot((2, self.plan.images), np.dtype(np.float32))
        smoothing, ignore = self.loss.label_smoothing, self.loss.ignore_index
        ignore = steps.IGNORE if ignore is None else ignore
        arrays = dlogits, rows, self.results, logits, self.feed.slots["labels"]
        return steps.cross_entropy(self.precision, classes, *arrays, smoothing, ignore)

    def _like(self, plan):
        return StepProgram(plan, self.precision, self.feed.of(plan.images), self.loss, self.parameters, self.results)


def _require_kernels(plan, forward):
    """Raise Unsuited, with the layer, unless kernels do all of it."""
    for o in plan.operations:
        if isinstance(o, op.Foreign) or o in forward.layered:
            raise Unsuited(f"{o.path or 'the model'} ({type(o.layer).__name__}) runs by its layer")
    if not isinstance(plan.operations[-1], op.Store) or len(plan.output.shape) != 1:
        raise Unsuited("the output of the model is no row of logits for each image")
