"""Gradients kept and measured: sizes are Python floats, summed in float64; reading one waits for a GPU."""

import math

import numpy as np

from ..backend import xp_of


MIN_SQUARE = 1e-280  # sums of squares below have lost digits
AGREE = {"float32": 1e-5, "float64": 1e-12}


def norm(a):
    """Euclidean norm of all entries."""
    a = a.astype("float64")
    with np.errstate(over="ignore", under="ignore"):
        total = float((a * a).sum())
    if MIN_SQUARE < total < math.inf or not a.size:
        return math.sqrt(total)
    largest = float(abs(a).max())  # squares may leave the range of floats where the norm does not
    return largest * math.sqrt(float(((a / largest) ** 2).sum())) if 0 < largest < math.inf else largest


def dot(a, b):
    """Sum of the products of all entries."""
    return float((a.astype("float64") * b.astype("float64")).sum())


def ratio(part, whole):
    """part / whole of two numbers; NaN where ``whole`` is 0."""
    return part / whole if whole else math.nan


def cosine(a, b):
    """Cosine of the angle between two arrays; NaN where one is zero."""
    return ratio(dot(a, b), norm(a) * norm(b))


def difference(found, expected):
    """|found - expected| / |expected|; 0 where both are zero, infinite where only ``expected`` is."""
    gap, size = norm(found - expected), norm(expected)
    if size == 0:
        return 0.0 if gap == 0 else math.inf
    return gap / size


def agrees(found, expected):
    """Whether two arrays of one dtype are equal but for rounding of sums: within 1e-5 in float32, 1e-12 in float64.

    NaN and infinities must stand in the same places.
    """
    if found.shape != expected.shape:
        return False
    xp = xp_of(expected)
    finite = xp.isfinite(expected)
    if not bool((xp.isfinite(found) == finite).all()):
        return False
    return difference(xp.where(finite, found, 0), xp.where(finite, expected, 0)) <= AGREE[str(expected.dtype)]


def worst(errors):
    """The largest of some errors; NaN if one is NaN, 0 of none."""
    return float(np.max([0.0, *errors]))


def frozen(array):
    """A copy that nobody can write into (on a GPU, where arrays cannot be locked, a copy)."""
    array = array.copy()
    if isinstance(array, np.ndarray):
        array.flags.writeable = False
    return array


def same(a, b):
    """Whether two arrays are equal bit for bit (but for the sign of zero)."""
    return a.shape == b.shape and bool(xp_of(a).all(a == b))
