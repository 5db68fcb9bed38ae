"""Initial weights. Drawn on the CPU from an explicit generator, so that CPU and GPU models start equal.

Every function returns a float32 array of the given shape. ``rng`` is a ``numpy.random.Generator`` or a seed.
"""

import math

import numpy as np

from .errors import DTypeError, RangeError

MOST = 2**30  # numbers in one array, 4 GiB


def he_normal(shape, fan, rng):
    """N(0, sqrt(2 / fan)): keeps the scale of the signal through ReLU layers.

    ``fan`` is the number of inputs of one output (fan-in, for the forward signal) or of outputs that
    one input feeds (fan-out, for the gradient). He et al. 2015, "Delving Deep into Rectifiers", section 2.2.
    """
    return _float32(generator(rng).normal(0, np.sqrt(2 / _positive("fan", fan)), _bounded(shape)))


def he_uniform(shape, fan, rng):
    """U(-b, b) with b = sqrt(6 / fan), which has the variance of :func:`he_normal`."""
    bound = np.sqrt(6 / _positive("fan", fan))
    return _float32(generator(rng).uniform(-bound, bound, _bounded(shape)))


def xavier_normal(shape, fan_in, fan_out, rng):
    """N(0, sqrt(2 / (fan_in + fan_out))): for linear and tanh layers. Glorot and Bengio 2010, eq. 12."""
    std = np.sqrt(2 / (_positive("fan_in", fan_in) + _positive("fan_out", fan_out)))
    return _float32(generator(rng).normal(0, std, _bounded(shape)))


def xavier_uniform(shape, fan_in, fan_out, rng):
    """U(-b, b) with b = sqrt(6 / (fan_in + fan_out)). Glorot and Bengio 2010, eq. 16."""
    bound = np.sqrt(6 / (_positive("fan_in", fan_in) + _positive("fan_out", fan_out)))
    return _float32(generator(rng).uniform(-bound, bound, _bounded(shape)))


def zeros(*shape):
    """An array of zeros."""
    return np.zeros(shape, np.float32)


def ones(*shape):
    """An array of ones."""
    return np.ones(shape, np.float32)


def generator(rng):
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

    def __init__(self):
        super().__init__(np.random.PCG64(0))

    def normal(self, mean, std, shape):
        return zeros(*shape)

    def uniform(self, low, high, shape):
        return zeros(*shape)

    def spawn(self, count):
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
