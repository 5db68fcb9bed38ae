# right
import numpy as np

H = 1e-6


def check(forward, backward, x, rng):
    votes = [gap(forward, backward, x + rng.normal(0, 0.02, x.shape), rng) for _ in range(3)]
    return sorted(votes)[0] < 1e-4


def gap(forward, backward, x, rng):
    mine = x.copy()
    y, cache = forward(mine)
    dy = rng.normal(0, 2, y.shape)
    theirs = dy.copy()
    dx = backward(theirs, cache)
    if np.any(mine != x) or np.any(theirs != dy) or np.shape(dx) != np.shape(x):
        return 1.0
    measured = np.zeros(x.shape)
    for where in np.ndindex(x.shape):
        high, low = x.copy(), x.copy()
        high[where], low[where] = x[where] + H, x[where] - H
        measured[where] = ((forward(high)[0] - forward(low)[0]) * dy).sum() / (2 * H)
    size = np.abs(measured).max() + np.abs(dx).max()
    return np.abs(measured - dx).max() / size if size else 0.0
