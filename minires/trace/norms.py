"""Sizes of gradients, as Python floats; the sums run in float64. Reading one waits for a GPU."""

import math

from ..backend import xp_of


def norm(a):
    """Euclidean norm of all entries."""
    a = a.astype("float64")
    return math.sqrt(float((a * a).sum()))


def dot(a, b):
    """Sum of the products of all entries."""
    return float((a.astype("float64") * b.astype("float64")).sum())


def cosine(a, b):
    """Cosine of the angle between two arrays; NaN where one is zero."""
    size = norm(a) * norm(b)
    return dot(a, b) / size if size else math.nan


def difference(found, expected):
    """|found - expected| / |expected|; 0 where both are zero, infinite where only ``expected`` is."""
    gap, size = norm(found - expected), norm(expected)
    if size == 0:
        return 0.0 if gap == 0 else math.inf
    return gap / size


def same(a, b):
    """Whether two arrays are equal bit for bit (but for the sign of zero)."""
    return a.shape == b.shape and bool(xp_of(a).all(a == b))
