"""``minires.compile_step``: a step of training as one function, on a GPU as one graph."""

from typing import Any

import numpy as np

from ..backend import Array, device_of, to_device
from ..data import RawBatch
from ..engine import Compiled, compile
from ..engine.devices import whole_steps
from ..engine.values import Unsuited
from ..layers.base import Layer
from ..losses import Loss, SoftmaxCrossEntropy
from .optim import SGD, AdamW, Optimizer
from .step import train_step


def compile_step(
    model: Layer, loss: Loss, optimizer: Optimizer, *, clip_norm: float | None = None, graph: bool = True
) -> "CompiledStep":
    """Return ``step``, a function for which ``loss, correct = step(x, labels, lr)`` is one step of training.

    model: a layer, or what :func:`minires.compile` made of one, which settles the precision   optimizer: of its
    parameters   clip_norm: see :func:`minires.train.clip_gradients`   graph: with False a GPU gets launch by launch

    On the CPU it is :func:`minires.train.train_step` of the compiled model. On a GPU kernels do all of it, from images
    to update; the second step with a shape is captured as a graph, which later steps replay. Then the tensors of model
    and optimiser are parts of one array: keep no ``p.data`` of before. Layers, losses and optimisers without kernels,
    targets (N, K) and ``clip_norm`` run by train_step there, too; ``step.describe()`` says why.

    >>> import numpy as np
    >>> import minires
    >>> model = minires.models.build("resnet8", rng=0)
    >>> sgd = minires.train.SGD(model.params(), 0.1)
    >>> step = minires.compile_step(model, minires.losses.SoftmaxCrossEntropy(), sgd)
    >>> x = np.random.default_rng(0).standard_normal((4, 3, 32, 32)).astype(np.float32)
    >>> loss, correct = step(x, np.array([3, 1, 4, 1]), 0.1)
    """
    network = model if isinstance(model, Compiled) else compile(model, input_gradient=False)
    return CompiledStep(network, loss, optimizer, clip_norm, graph)


class CompiledStep:
    """A step of training, made by :func:`compile_step`. One thread at a time may call it."""

    def __init__(
        self, network: Compiled, loss: Loss, optimizer: Optimizer, clip_norm: float | None, graph: bool
    ) -> None:
        self.network, self.loss, self.optimizer, self.clip_norm, self.graph = network, loss, optimizer, clip_norm, graph
        self._steps: Any = None
        self._why: dict[tuple[int, ...], str] = {}

    def __call__(self, x: Array | RawBatch, labels: Array, lr: float | None = None) -> tuple[Array, Array]:
        """(mean loss before the update, number of images classified rightly), arrays without axes on the device.

        x: (N, C, H, W), or the bytes of a :class:`minires.data.RawBatch`   labels: (N,); both on the CPU, or where the
        model is   lr: that of the optimiser by default
        """
        lr, shape = self.optimizer.rate(lr), x.images.shape if isinstance(x, RawBatch) else x.shape
        try:
            found = self._whole(x, labels, lr)
            self._why.pop(shape, None)
            return found
        except Unsuited as reason:
            self._why[shape] = str(reason)
        if isinstance(x, RawBatch):
            x = x.floats()
        like = next((p.data for _, p in self.network.params()), x)
        x, labels = (to_device(array, device_of(like)) for array in (x, labels))
        return train_step(self.network, self.loss, self.optimizer, x, labels, lr, self.clip_norm)

    def _whole(self, x, labels, lr):
        """The step by kernels; Unsuited where there are none."""
        if reason := self._not_covered():
            raise Unsuited(reason)
        if self._steps is None:
            network = self.network
            args = network.definition, self.loss, self.optimizer, network.precision, self.graph
            self._steps = whole_steps(*args)
        if getattr(labels, "ndim", 0) != 1 or labels.dtype.kind not in "iu" or len(labels) != len(x) or not len(x):
            raise Unsuited("labels are not one integer for each image")
        if isinstance(x, RawBatch):
            scale, shift = x.normalize.factors()
            values = {"images": x.images, "scale": scale, "shift": shift}
            values |= {"top": x.top, "left": x.left, "mirrored": x.mirrored}
            return self._steps(values, labels, lr, x.pad)
        if x.ndim != 4 or x.dtype != np.float32:
            raise Unsuited(f"the input is {x.dtype}{x.shape}, expected images of float32")
        return self._steps({"x": x}, labels, lr)

    def _not_covered(self):
        """Why there are no kernels for these settings."""
        if type(self.loss) is not SoftmaxCrossEntropy or self.loss.weight is not None:
            return "the loss is no SoftmaxCrossEntropy without class weights"
        if type(self.optimizer) not in (SGD, AdamW):
            return "the optimiser is neither SGD nor AdamW"
        return "clip_norm needs the norm of all gradients" if self.clip_norm is not None else ""

    def describe(self) -> str:
        """How the steps of each shape ran, with the plans as tables."""
        parts = [] if self._steps is None else self._steps.describe()
        for shape, reason in self._why.items():
            parts.append(f"{' x '.join(map(str, shape))}: by train_step, because {reason}")
        if self._why:
            parts.append(self.network.describe())
        return "\n\n".join(parts) or "no step yet: a plan is made for each shape of input, by the first call with it"

    def __repr__(self) -> str:
        inner = repr(self.network).replace("\n", "\n  ")
        return f"CompiledStep({type(self.loss).__name__}, {self.optimizer})\n  {inner}"
