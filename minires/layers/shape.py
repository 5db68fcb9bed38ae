"""Layers that move values without computing: every dx is the transpose of a selection of entries."""

import math

import numpy as np

from ..backend import xp_of
from ..errors import RangeError
from .base import Layer
from .checks import as_gradient, as_input, number, positive


class Flatten(Layer):
    """(N, C, H, W) -> (N, C H W), and back."""

    def forward(self, x, train=False):
        x = as_input(self, x)
        return x.reshape(len(x), -1), x.shape

    def backward(self, dy, cache):
        shape = cache
        return as_gradient(self, dy, (shape[0], math.prod(shape[1:]))).reshape(shape)


class Identity(Layer):
    """y = x.   dx = dy."""

    def forward(self, x, train=False):
        x = as_input(self, x)
        return x, x.shape

    def backward(self, dy, cache):
        return as_gradient(self, dy, cache)


class Scale(Layer):
    """y = factor x.   dx = factor dy. Constant scaling, He et al. 2016, "Identity Mappings", section 3.1."""

    def __init__(self, factor):
        self.factor = number(self, factor=factor)

    def forward(self, x, train=False):
        x = as_input(self, x)
        return self.factor * x, x.shape

    def backward(self, dy, cache):
        return self.factor * as_gradient(self, dy, cache)


class Subsample(Layer):
    """Every stride-th pixel: (N, C, H, W) -> (N, C, ceil(H / S), ceil(W / S)).

        y[n, c, r, s] = x[n, c, S r, S s]        dx[n, c, S r, S s] = dy[n, c, r, s], 0 elsewhere

    With :class:`PadChannels` it is the shortcut "option A" of He et al. 2015, section 3.3.
    """

    def __init__(self, stride):
        self.stride = positive(self, stride=stride)

    def forward(self, x, train=False):
        x = as_input(self, x, "NCHW")
        y = x[:, :, :: self.stride, :: self.stride]
        return y, (x.shape, y.shape)

    def backward(self, dy, cache):
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

    def __init__(self, before, after):
        for name, value in (("before", before), ("after", after)):
            if not isinstance(value, (int, np.integer)) or value < 0:
                raise RangeError(f"{name} is {value!r}, expected a number of channels, at least 0", "PadChannels")
        self.before, self.after = before, after

    def forward(self, x, train=False):
        x = as_input(self, x, "NCHW")
        return xp_of(x).pad(x, ((0, 0), (self.before, self.after), (0, 0), (0, 0))), x.shape

    def backward(self, dy, cache):
        n, c, h, w = cache
        dy = as_gradient(self, dy, (n, self.before + c + self.after, h, w))
        return dy[:, self.before : self.before + c]
