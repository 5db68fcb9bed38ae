"""Layers that move values without computing: every dx is the transpose of a selection of entries."""

import math
from typing import Any

from ..backend import Array, xp_of
from ..errors import RangeError, ShapeError
from .base import Layer
from .checks import as_gradient, as_input, number, positive


class Flatten(Layer):
    """(N, C, H, W) -> (N, C H W), and back."""

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Any]:
        x = as_input(self, x)
        return x.reshape(len(x), -1), x.shape

    def backward(self, dy: Array, cache: Any) -> Array:
        shape = cache
        return as_gradient(self, dy, (shape[0], math.prod(shape[1:]))).reshape(shape)


class Identity(Layer):
    """y = x.   dx = dy."""

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Any]:
        x = as_input(self, x)
        return x, x.shape

    def backward(self, dy: Array, cache: Any) -> Array:
        return as_gradient(self, dy, cache)


class Scale(Layer):
    """y = factor x.   dx = factor dy. Constant scaling, He et al. 2016, "Identity Mappings", section 3.1."""

    def __init__(self, factor: float) -> None:
        self.factor = number(self, factor=factor)

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Any]:
        x = as_input(self, x)
        return self.factor * x, x.shape

    def backward(self, dy: Array, cache: Any) -> Array:
        return self.factor * as_gradient(self, dy, cache)


class Subsample(Layer):
    """Every stride-th pixel: (N, C, H, W) -> (N, C, ceil(H / S), ceil(W / S)).

        y[n, c, r, s] = x[n, c, S r, S s]        dx[n, c, S r, S s] = dy[n, c, r, s], 0 elsewhere

    With :class:`PadChannels` it is the shortcut "option A" of He et al. 2015, section 3.3.
    """

    def __init__(self, stride: int) -> None:
        self.stride = positive(self, stride=stride)

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Any]:
        x = as_input(self, x, "NCHW")
        y = x[:, :, :: self.stride, :: self.stride]
        return y, (x.shape, y.shape)

    def backward(self, dy: Array, cache: Any) -> Array:
        x_shape, y_shape = cache
        dy = as_gradient(self, dy, y_shape)
        dx = xp_of(dy).zeros(x_shape, dtype=dy.dtype)
        dx[:, :, :: self.stride, :: self.stride] = dy
        return dx


class PadChannels(Layer):
    """Zero channels in front and behind: (N, C, H, W) -> (N, before + C + after, H, W).

        dx = dy[:, before : before + C]

    The paper pads at the end (``PadChannels(0, extra)``), a well-known implementation for CIFAR on both sides.
    He et al. 2015, section 3.3, option A.
    """

    def __init__(self, before: int, after: int) -> None:
        self.before = positive(self, least=0, before=before)
        self.after = positive(self, least=0, after=after)

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Any]:
        x = as_input(self, x, "NCHW")
        return xp_of(x).pad(x, ((0, 0), (self.before, self.after), (0, 0), (0, 0))), x.shape

    def backward(self, dy: Array, cache: Any) -> Array:
        n, c, h, w = cache
        dy = as_gradient(self, dy, (n, self.before + c + self.after, h, w))
        return dy[:, self.before : self.before + c]


class SliceChannels(Layer):
    """Some of the channels: (N, C, H, W) -> (N, stop - start, H, W), the transpose of :class:`PadChannels`.

    y = x[:, start : stop]        dx[:, start : stop] = dy, 0 elsewhere
    """

    def __init__(self, start: int, stop: int) -> None:
        self.start = positive(self, least=0, start=start)
        self.stop = positive(self, least=0, stop=stop)
        if stop <= start:
            raise RangeError(f"start is {start} and stop is {stop}, expected start < stop", "SliceChannels")

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Any]:
        x = as_input(self, x, "NCHW")
        if x.shape[1] < self.stop:
            raise ShapeError(
                f"input has {x.shape[1]} channels (axis 1 of {x.shape}), expected at least stop={self.stop}: "
                "pass an array with more channels or slice fewer",
                "SliceChannels",
            )
        return x[:, self.start : self.stop], x.shape

    def backward(self, dy: Array, cache: Any) -> Array:
        n, _, h, w = cache
        dy = as_gradient(self, dy, (n, self.stop - self.start, h, w))
        dx = xp_of(dy).zeros(cache, dtype=dy.dtype)
        dx[:, self.start : self.stop] = dy
        return dx
