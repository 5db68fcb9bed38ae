"""What a function of an assignment may be handed beside arrays: parts of networks, on NumPy alone.

Each has ``forward(x, train) -> (y, cache)`` and ``backward(dy, cache) -> dx``, as the layers of minires have, and
refuses a cache that is not its own.
"""

import numpy as np


class Identity:
    """y = x"""

    def forward(self, x, train=False):
        return x, self

    def backward(self, dy, cache):
        _require(cache is self, "the cache of the identity")
        return dy


class Branch:
    """``y = tanh(x W)``: x: (N, D)   W: (D, M)   dx = (dy (1 - y^2)) W^T"""

    def __init__(self, weight):
        self.weight = weight

    def forward(self, x, train=False):
        y = np.tanh(x @ self.weight)
        return y, (self, y)

    def backward(self, dy, cache):
        _require(isinstance(cache, tuple) and len(cache) == 2 and cache[0] is self, "the cache of this branch")
        return (dy * (1 - cache[1] ** 2)) @ self.weight.T


class Projection:
    """``y = x W``: x: (N, D)   W: (D, M)   dx = dy W^T"""

    def __init__(self, weight):
        self.weight = weight

    def forward(self, x, train=False):
        return x @ self.weight, self

    def backward(self, dy, cache):
        _require(cache is self, "the cache of this projection")
        return dy @ self.weight.T


PARTS = {kind.__name__: kind for kind in (Identity, Branch, Projection)}


def _require(right, what):
    if not right:
        raise ValueError(f"backward got something else than {what}, which its forward returned")
