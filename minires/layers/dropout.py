"""Dropout."""

from ..backend import device_of, to_device
from ..errors import RangeError
from ..initializers import generator
from .base import Layer, as_gradient, as_input


class Dropout(Layer):
    """In training each entry is dropped with probability p and the others are scaled by 1 / (1 - p).

    x, y: any shape   mask: entries 0 or 1 / (1 - p), drawn on the CPU from ``rng``

        y = mask x        dx = mask dy        in evaluation y = x

    The mask is in the cache: backward uses the very mask of its forward. Srivastava et al. 2014, section 4 and 10.
    """

    def __init__(self, p=0.5, *, rng):
        if not 0 <= p < 1:
            raise RangeError(f"p is {p}, expected 0 <= p < 1, the probability to drop an entry", "Dropout")
        self.p = p
        self.rng = generator(rng)

    def forward(self, x, train=False):
        x = as_input(self, x)
        if not train:
            return x, None
        keep = self.rng.random(x.shape) >= self.p
        mask = to_device(keep.astype(x.real.dtype) / (1 - self.p), device_of(x))
        return x * mask, mask

    def backward(self, dy, cache):
        mask = cache
        if mask is None:
            return as_gradient(self, dy, dy.shape)
        return as_gradient(self, dy, mask.shape, like=mask) * mask
