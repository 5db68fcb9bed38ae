"""Activations, entry by entry: any shape in, the same shape out, dx = f'(x) dy.

Kinks are decided on the real part of x, so that a complex step passes through the branch that the real
input takes; at the kink itself f' is that of the side named in each class. NaN stays NaN.
"""

import math
from typing import Any

import numpy as np

from ..backend import Array, xp_of
from ..errors import RangeError, ShapeError
from ..initializers import ones
from ..ops import gated, normal_cdf, sigmoid
from .base import Layer, Param
from .checks import as_gradient, as_input, number, positive

A, B = math.sqrt(2 / math.pi), 0.044715  # of GELU's approximation


class ReLU(Layer):
    """y = max(x, 0).   dx = dy where x > 0, else 0 (0 at the kink x = 0). Nair and Hinton 2010."""

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Any]:
        x = as_input(self, x)
        dead = x.real <= 0
        return xp_of(x).where(dead, 0, x), ~dead

    def backward(self, dy: Array, cache: Any) -> Array:
        alive = cache
        return gated(as_gradient(self, dy, alive.shape), alive)


class ReLU6(Layer):
    """y = min(max(x, 0), 6).   dx = dy where 0 < x < 6, else 0. Krizhevsky 2010; used by MobileNet and ReXNet."""

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Any]:
        x = as_input(self, x)
        low, high = x.real <= 0, x.real >= 6
        xp = xp_of(x)
        return xp.where(low, 0, xp.where(high, 6, x)), ~(low | high)

    def backward(self, dy: Array, cache: Any) -> Array:
        inner = cache
        return gated(as_gradient(self, dy, inner.shape), inner)


class LeakyReLU(Layer):
    """y = x where x > 0, else slope x.   dx = dy where x > 0, else slope dy. Maas et al. 2013."""

    def __init__(self, slope: float = 0.01) -> None:
        self.slope = number(self, slope=slope)
        if not self.slope >= 0:
            raise RangeError(f"slope is {slope}, expected slope >= 0", "LeakyReLU")

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Any]:
        x = as_input(self, x)
        positive = x.real > 0
        return xp_of(x).where(positive, x, self.slope * x), positive

    def backward(self, dy: Array, cache: Any) -> Array:
        positive = cache
        dy = as_gradient(self, dy, positive.shape)
        return xp_of(dy).where(positive, dy, self.slope * dy)


class ELU(Layer):
    """y = x where x > 0, else alpha (exp(x) - 1).   dx = dy where x > 0, else dy alpha exp(x).

    Near 0 exp(x) - 1 would lose its digits, and so would alpha exp(x) = y + alpha far below: expm1 and exp keep them.

    Clevert et al. 2016, "Fast and Accurate Deep Network Learning by Exponential Linear Units", eq. 15.
    """

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = number(self, alpha=alpha)
        if not self.alpha > 0:
            raise RangeError(f"alpha is {alpha}, expected alpha > 0", "ELU")

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Any]:
        x = as_input(self, x)
        xp = xp_of(x)
        positive = x.real > 0
        below = xp.where(positive, 0, x)
        return xp.where(positive, x, self.alpha * xp.expm1(below)), (below, positive)

    def backward(self, dy: Array, cache: Any) -> Array:
        below, positive = cache
        dy = as_gradient(self, dy, below.shape, like=below)
        xp = xp_of(dy)
        return xp.where(positive, dy, dy * (self.alpha * xp.exp(below)))


class Sigmoid(Layer):
    """y = 1 / (1 + exp(-x)).   dx = dy y (1 - y)."""

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Any]:
        y = sigmoid(as_input(self, x))
        return y, y

    def backward(self, dy: Array, cache: Any) -> Array:
        y = cache
        return as_gradient(self, dy, y.shape, like=y) * y * (1 - y)


class Tanh(Layer):
    """y = tanh(x).   dx = dy (1 - y^2)."""

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Any]:
        x = as_input(self, x)
        y = xp_of(x).tanh(x)
        return y, y

    def backward(self, dy: Array, cache: Any) -> Array:
        y = cache
        return as_gradient(self, dy, y.shape, like=y) * (1 - y * y)


class SiLU(Layer):
    """y = x s with s = sigmoid(x), also called swish.   dx = dy s (1 + x (1 - s)). Elfwing et al. 2018."""

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Any]:
        x = as_input(self, x)
        s = sigmoid(x)
        return x * s, (x, s)

    def backward(self, dy: Array, cache: Any) -> Array:
        x, s = cache
        return as_gradient(self, dy, x.shape, like=x) * s * (1 + x * (1 - s))


class GELU(Layer):
    """y = x P(X <= x) for X ~ N(0, 1).   dx = dy (P(X <= x) + x p(x)), p(x) = exp(-x^2 / 2) / sqrt(2 pi).

    With ``approximate="tanh"``, as in PyTorch, P(X <= x) is replaced by s = sigmoid(2 a) = (1 + tanh(a)) / 2:

        a = sqrt(2 / pi) (x + 0.044715 x^3)        dx = dy (s + 2 x s (1 - s) a')        a' = da/dx

    Hendrycks and Gimpel 2016, "Gaussian Error Linear Units", section 2; P(X <= x): :func:`~minires.ops.normal_cdf`.
    """

    def __init__(self, approximate: str = "none") -> None:
        if approximate not in ("none", "tanh"):
            raise RangeError(f'approximate is {approximate!r}, expected "none" or "tanh": choose one of them', "GELU")
        self.approximate = approximate

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Any]:
        x = as_input(self, x)
        xp = xp_of(x)
        high = x.real > 40  # y = x beyond, and 0 below -40, where powers of x could leave the range of numbers
        inner = xp.where(high, 40, xp.where(x.real < -40, -40, x))
        share = self._share(inner)
        return xp.where(high, x, inner * share), (inner, share)

    def backward(self, dy: Array, cache: Any) -> Array:
        x, share = cache
        return as_gradient(self, dy, x.shape, like=x) * (share + x * self._slope(x, share))

    def _share(self, x):
        return normal_cdf(x) if self.approximate == "none" else sigmoid(2 * A * (x + B * x * x * x))

    def _slope(self, x, share):
        """The derivative of _share."""
        if self.approximate == "none":
            return xp_of(x).exp(-x * x / 2) / math.sqrt(2 * math.pi)
        return 2 * A * (1 + 3 * B * x * x) * share * (1 - share)


class PReLU(Layer):
    """y = x where x > 0, else weight[c] x: a leaky ReLU that learns its slope.

    x, y: (N, C, ...)   weight: (C,), one slope a channel, or (1,), one for all: any shape of x

        dx = dy where x > 0, else weight[c] dy        dweight[c] = sum of x dy over all entries x <= 0 of channel c

    He et al. 2015, "Delving Deep into Rectifiers", section 2.1, where the slopes start from 0.25 too and are spared
    the weight decay (``decay_all=False``), which would pull them towards a ReLU.
    """

    def __init__(self, channels: int = 1, *, slope: float = 0.25) -> None:
        self.channels = positive(self, channels=channels)
        self.weight = Param(ones(channels) * np.float32(number(self, slope=slope)))

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Any]:
        x = as_input(self, x, like=self.weight.data)
        if self.channels > 1 and (x.ndim < 2 or x.shape[1] != self.channels):
            raise ShapeError(
                f"input has the shape {x.shape}, expected {self.channels} channels (axis 1), one a slope: "
                "build the layer for the channels of the input, or for 1, one slope for all",
                "PReLU",
            )
        positive = x.real > 0
        return xp_of(x).where(positive, x, self._along(x) * x), (x, positive)

    def backward(self, dy: Array, cache: Any) -> Array:
        x, positive = cache
        dy = as_gradient(self, dy, x.shape, like=x)
        xp = xp_of(dy)
        if not self.weight.frozen:
            self.weight.add_grad(self._summed(xp.where(positive, 0, x * dy)))
        return xp.where(positive, dy, self._along(x) * dy)

    def _summed(self, a):
        """(N, C, ...) -> (C,)."""
        return a.sum(axis=tuple(i for i in range(a.ndim) if i != 1 or self.channels == 1))

    def _along(self, x):
        """weight, to broadcast along axis 1 of x."""
        return self.weight.data if self.channels == 1 else self.weight.data.reshape(-1, *(1,) * (x.ndim - 2))


class HardSwish(Layer):
    """y = x min(max(x + 3, 0), 6) / 6.   dx = dy (2 x + 3) / 6 where -3 < x < 3, dy where x >= 3, else 0.

    Howard et al. 2019, "Searching for MobileNetV3", section 5.2.
    """

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Any]:
        x = as_input(self, x)
        low, high = x.real <= -3, x.real >= 3
        xp = xp_of(x)
        inner = xp.where(low | high, 0, x)
        return xp.where(low, 0, xp.where(high, x, inner * (inner + 3) / 6)), (inner, low, high)

    def backward(self, dy: Array, cache: Any) -> Array:
        inner, low, high = cache
        dy = as_gradient(self, dy, inner.shape, like=inner)
        xp = xp_of(dy)
        return xp.where(low, 0, xp.where(high, dy, dy * (2 * inner + 3) / 6))
