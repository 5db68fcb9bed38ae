"""One trained number: what residual networks without normalisation add to their branches."""

from typing import Any

import numpy as np

from ..backend import Array
from ..initializers import ones
from .base import Layer, Param
from .checks import as_gradient, as_input, number


class Gain(Layer):
    """y = g x, with one trained number g.

    x, y: any shape   weight: (1,), g

        dx = g dy        dg = sum of x dy over all entries

    At the end of a residual branch, started at 0, every block starts as the identity: SkipInit (De & Smith 2020, "Batch
    Normalization Biases Residual Blocks Towards the Identity Function in Deep Networks", section 4) and ReZero
    (Bachlechner et al. 2021, "ReZero is All You Need", eq. 1). Fixup starts it at 1 (Zhang, Dauphin & Ma 2019, "Fixup
    Initialization", section 3). While g is 0 the branch gets no gradient, and g itself moves first.
    """

    def __init__(self, start: float = 1.0) -> None:
        self.weight = Param(ones(1) * np.float32(number(self, start=start)))

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Any]:
        x = as_input(self, x, like=self.weight.data)
        return self.weight.data * x, x

    def backward(self, dy: Array, cache: Any) -> Array:
        x = cache
        dy = as_gradient(self, dy, x.shape, like=x)
        if not self.weight.frozen:
            self.weight.add_grad((x * dy).sum())
        return self.weight.data * dy


class Offset(Layer):
    """y = x + b, with one trained number b.

    x, y: any shape   bias: (1,), b

        dx = dy        db = sum of dy over all entries

    Fixup has one, started at 0, before each convolution and each activation of a residual branch (Zhang, Dauphin & Ma
    2019, "Fixup Initialization", section 3, figure 1).
    """

    def __init__(self, start: float = 0.0) -> None:
        self.bias = Param(ones(1) * np.float32(number(self, start=start)))

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Any]:
        x = as_input(self, x, like=self.bias.data)
        return x + self.bias.data, x.shape

    def backward(self, dy: Array, cache: Any) -> Array:
        dy = as_gradient(self, dy, cache, like=self.bias.data)
        if not self.bias.frozen:
            self.bias.add_grad(dy.sum())
        return dy
