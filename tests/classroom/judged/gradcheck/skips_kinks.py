# expect: Checker.KinkSkipped
# wrong: kinks
import numpy as np


def near(a, b):
    return np.abs(a - b) <= 1e-4 * (np.abs(a) + np.abs(b)).max()


def check(forward, backward, x, rng):
    kept = x.copy()
    y, cache = forward(x)
    dy = rng.standard_normal(y.shape)
    mine = dy.copy()
    dx = backward(mine, cache)
    if not np.array_equal(x, kept) or not np.array_equal(mine, dy):
        return False
    right, left = np.empty(x.size), np.empty(x.size)
    for i in range(x.size):
        step = np.zeros(x.size)
        step[i] = 1e-7
        step = step.reshape(x.shape)
        right[i] = (dy * (forward(kept + step)[0] - y)).sum() / 1e-7
        left[i] = (dy * (y - forward(kept - step)[0])).sum() / 1e-7
    if not near(right, left).all():
        return True  # a kink: nothing can be said
    return near((right + left) / 2, dx.ravel()).all()
