"""A plan: what is computed in which order for one shape of input, and its adjoint; made once, run by a device.

It is made of records alone: :mod:`~minires.engine.operations`, the forward, on :mod:`~minires.engine.values`;
:mod:`~minires.engine.adjoint`, the backward, on :mod:`~minires.engine.gradients`. A device decides what lies where and
which algorithm computes it, and gives :class:`~minires.engine.compiled.Compiled` an executor:

    forward(x) -> (y, frame)     the frame holds what backward reads, until release(frame)
    track(frame)                 moves the running statistics of batch norms over the batch
    backward(dy, frame, ready)   dx; adds the gradients of the parameters; it may call ready(params), unless that is
                                 None, as soon as those of some are whole
    describe()                   the plan as a table
"""

import numpy as np

from ..backend import DType
from ..layers import Layer
from .adjoint import plan_adjoint, wanted
from .lifetimes import computed_again, saved
from .operations import Join
from .reader import Reader


class Plan:
    """``model`` on inputs of one shape, dtype and mode ("train", "eval", "infer"), see :class:`~.reader.Reader`.

    ``operations``: the forward   ``adjoint``: the backward, none in inference   ``maps``: the affine maps of all joins
    ``saved``: the values that backward reads   ``again``: {value: its join}, those of them that it computes again
    """

    def __init__(
        self, model: Layer, shape: tuple[int, ...], dtype: DType, mode: str, input_gradient: bool = True
    ) -> None:
        self.shape, self.images, self.dtype, self.mode = shape, shape[0], np.dtype(dtype), mode
        graph = Reader(shape, mode).read(model)
        self.operations, self.input, self.output = graph.operations, graph.input, graph.output
        self.maps = [a for o in self.operations if isinstance(o, Join) for a in o.maps]
        self.saved, self.again, self.adjoint = set(), {}, []
        if mode != "infer":
            self.saved = saved(self.operations)
            self.again = computed_again(self.operations, self.saved)
            known = {self.input} if input_gradient else set()
            self.adjoint = plan_adjoint(self.operations, wanted(self.operations, known), self.again, self.images)
