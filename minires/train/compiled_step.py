"""``minires.compile_step``: a step of training as one function."""

from typing import Any

from ..backend import Array, device_of, to_device
from ..engine import Compiled, compile
from ..layers.base import Layer
from ..losses import Loss
from .optim import Optimizer
from .step import train_step


def compile_step(
    model: Layer, loss: Loss, optimizer: Optimizer, *, clip_norm: float | None = None, graph: bool = True
) -> "CompiledStep":
    """Return ``step``, a function for which ``loss, correct = step(x, labels, lr)`` is one step of training.

    model: a layer, or what :func:`minires.compile` made of one, which settles the precision   optimizer: of its
    parameters   clip_norm: see :func:`minires.train.clip_gradients`   graph: with False a GPU gets launch by launch

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
    """A step of training, made by :func:`compile_step`. On the CPU it is :func:`minires.train.train_step`."""

    def __init__(
        self, network: Compiled, loss: Loss, optimizer: Optimizer, clip_norm: float | None, graph: bool
    ) -> None:
        self.network, self.loss, self.optimizer, self.clip_norm, self.graph = network, loss, optimizer, clip_norm, graph

    def __call__(self, x: Array, labels: Array, lr: float | None = None) -> tuple[Array, Array]:
        """(mean loss before the update, number of images classified rightly), arrays without axes on the device.

        x: (N, C, H, W)   labels: (N,); both on the CPU, or where the model is   lr: that of the optimiser by default
        """
        like = next((p.data for _, p in self.network.params()), x)
        x, labels = (to_device(array, device_of(like)) for array in (x, labels))
        lr = self.optimizer.lr if lr is None else lr
        return train_step(self.network, self.loss, self.optimizer, x, labels, lr, self.clip_norm)

    def describe(self) -> str:
        """How the steps ran, and the plans of the model as tables."""
        return f"by train_step: forward, loss, backward and update one after the other\n\n{self.network.describe()}"

    def __repr__(self) -> str:
        inner: Any = repr(self.network).replace("\n", "\n  ")
        return f"CompiledStep({type(self.loss).__name__}, {self.optimizer})\n  {inner}"
