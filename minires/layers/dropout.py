"""Dropout."""

from typing import Any

from ..backend import Array, device_of, to_device
from ..errors import RangeError
from ..initializers import Rng, generator
from ..ops import gated
from .base import Layer
from .checks import as_gradient, as_input, number


class Dropout(Layer):
    """In training each entry is dropped with probability p and the others are scaled by 1 / (1 - p).

    x, y: any shape   keep: True or False for each entry, drawn on the CPU from ``rng``

        y = x / (1 - p) where keep, else 0        dx = dy / (1 - p) where keep, else 0        in evaluation y = x

    The mask is in the cache: backward uses the very mask of its forward. Srivastava et al. 2014, section 4 and 10.
    """

    def __init__(self, p: float = 0.5, *, rng: Rng) -> None:
        self.p = number(self, p=p)
        if not 0 <= self.p < 1:
            raise RangeError(f"p is {p}, expected 0 <= p < 1, the probability to drop an entry", "Dropout")
        self.rng = generator(rng)

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Any]:
        x = as_input(self, x)
        if not train:
            return x, (None, x.shape)
        keep = to_device(self.rng.random(x.shape) >= self.p, device_of(x))
        return gated(x, keep) / (1 - self.p), (keep, x.shape)

    def backward(self, dy: Array, cache: Any) -> Array:
        keep, shape = cache
        dy = as_gradient(self, dy, shape)
        return dy if keep is None else gated(dy, keep) / (1 - self.p)
