"""Initial weights. Drawn on the CPU from an explicit generator, so that CPU and GPU models start equal.

Every function returns a float32 array of the given shape. ``rng`` is a ``numpy.random.Generator`` or a seed.
"""

import numpy as np

from .errors import DTypeError, RangeError


def he_normal(shape, fan, rng):
    """N(0, sqrt(2 / fan)): keeps the scale of the signal through ReLU layers.

    ``fan`` is the number of inputs of one output (fan-in, for the forward signal) or of outputs that
    one input feeds (fan-out, for the gradient). He et al. 2015, "Delving Deep into Rectifiers", section 2.2.
    """
    return generator(rng).normal(0, np.sqrt(2 / _positive("fan", fan)), shape).astype(np.float32)


def he_uniform(shape, fan, rng):
    """U(-b, b) with b = sqrt(6 / fan), which has the variance of :func:`he_normal`."""
    bound = np.sqrt(6 / _positive("fan", fan))
    return generator(rng).uniform(-bound, bound, shape).astype(np.float32)


def xavier_normal(shape, fan_in, fan_out, rng):
    """N(0, sqrt(2 / (fan_in + fan_out))): for linear and tanh layers. Glorot and Bengio 2010, eq. 12."""
    std = np.sqrt(2 / (_positive("fan_in", fan_in) + _positive("fan_out", fan_out)))
    return generator(rng).normal(0, std, shape).astype(np.float32)


def xavier_uniform(shape, fan_in, fan_out, rng):
    """U(-b, b) with b = sqrt(6 / (fan_in + fan_out)). Glorot and Bengio 2010, eq. 16."""
    bound = np.sqrt(6 / (_positive("fan_in", fan_in) + _positive("fan_out", fan_out)))
    return generator(rng).uniform(-bound, bound, shape).astype(np.float32)


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


def _positive(name, value):
    if value <= 0:
        raise RangeError(f"{name} is {value}, expected a positive number: give the layer at least one input")
    return value
