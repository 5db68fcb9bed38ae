# expect: Checker.AbsoluteTolerance
# wrong: scale
import numpy as np


def check(forward, backward, x, rng):
    """The complex step, held against backward with what NumPy offers."""
    point = x.copy()
    y, cache = forward(point)
    dy = rng.standard_normal(y.shape)
    given = dy.copy()
    dx = backward(given, cache)
    same = np.array_equal(point, x) and np.array_equal(given, dy)
    slopes = np.zeros(x.shape)
    for i in np.ndindex(*x.shape):
        z = x.astype(complex)
        z[i] += 1e-30j
        slopes[i] = (dy * forward(z)[0].imag).sum() / 1e-30
    return bool(same and np.allclose(dx, slopes))
