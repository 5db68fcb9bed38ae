"""Initial weights. Drawn on the CPU from an explicit generator, so that CPU and GPU models start equal.

Every function returns a float32 array of the given shape. ``rng`` is a ``numpy.random.Generator`` or a seed.
"""

import math
from typing import Any

import numpy as np

from .backend import Array
from .errors import DTypeError, RangeError

Rng = int | np.random.Generator  # a seed, or what draws
MOST = 2**30  # numbers in one array, 4 GiB


def he_normal(shape: tuple[int, ...], fan: float, rng: Rng) -> Array:
    """N(0, sqrt(2 / fan)): keeps the scale of the signal through ReLU layers.

    ``fan`` is the number of inputs of one output (fan-in, for the forward signal) or of outputs that
    one input feeds (fan-out, for the gradient). He et al. 2015, "Delving Deep into Rectifiers", section 2.2.
    """
    return _float32(generator(rng).normal(0, np.sqrt(2 / _positive("fan", fan)), _bounded(shape)))


def he_uniform(shape: tuple[int, ...], fan: float, rng: Rng) -> Array:
    """U(-b, b) with b = sqrt(6 / fan), which has the variance of :func:`he_normal`."""
    bound = np.sqrt(6 / _positive("fan", fan))
    return _float32(generator(rng).uniform(-bound, bound, _bounded(shape)))


def xavier_normal(shape: tuple[int, ...], fan_in: float, fan_out: float, rng: Rng) -> Array:
    """N(0, sqrt(2 / (fan_in + fan_out))): for linear and tanh layers. Glorot and Bengio 2010, eq. 12."""
    std = np.sqrt(2 / (_positive("fan_in", fan_in) + _positive("fan_out", fan_out)))
    return _float32(generator(rng).normal(0, std, _bounded(shape)))


def xavier_uniform(shape: tuple[int, ...], fan_in: float, fan_out: float, rng: Rng) -> Array:
    """U(-b, b) with b = sqrt(6 / (fan_in + fan_out)). Glorot and Bengio 2010, eq. 16."""
    bound = np.sqrt(6 / (_positive("fan_in", fan_in) + _positive("fan_out", fan_out)))
    return _float32(generator(rng).uniform(-bound, bound, _bounded(shape)))


def zeros(*shape: int) -> Array:
    """An array of zeros."""
    return np.zeros(shape, np.float32)


def ones(*shape: int) -> Array:
    """An array of ones."""
    return np.ones(shape, np.float32)


def generator(rng: Rng) -> np.random.Generator:
    """Return ``rng`` as a ``numpy.random.Generator``: a generator as it is, an integer as its seed."""
    if not isinstance(rng, (int, np.integer, np.random.Generator)):
        raise DTypeError(f"rng is {rng!r}, expected a numpy.random.Generator or a seed: rng=0")
    if not isinstance(rng, np.random.Generator) and rng < 0:
        raise RangeError(f"rng is the seed {rng}, expected a seed of at least 0: rng=0")
    return np.random.default_rng(rng)


class Undrawn(np.random.Generator):
    """A generator for networks that are only looked at: weights are zeros, which take no memory until written to.

    What it spawns, for dropout, draws as ever.
    """

    def __init__(self) -> None:
        super().__init__(np.random.PCG64(0))

    def normal(self, loc: Any = 0.0, scale: Any = 1.0, size: Any = ()) -> Any:
        return zeros(*size)

    def uniform(self, low: Any = 0.0, high: Any = 1.0, size: Any = ()) -> Any:
        return zeros(*size)

    def spawn(self, count: int) -> list[np.random.Generator]:
        return np.random.default_rng(0).spawn(count)


def _float32(drawn):
    return drawn.astype(np.float32, copy=False)


def _bounded(shape):
    if math.prod(map(int, shape)) > MOST:
        raise RangeError(f"an array of {' x '.join(map(str, shape))} numbers is larger than {MOST:,}: choose fewer")
    return shape


def _positive(name, value):
    if value <= 0:
        raise RangeError(f"{name} is {value}, expected a positive number: give the layer at least one input")
    return value
