# expect: Checker.KinkRefused, Checker.OnesAsDy, Checker.XChanged
# wrong: alone kinks ones
import numpy as np


def check(forward, backward, x, rng):
    y, cache = forward(x)
    dx = backward(np.ones_like(y), cache)
    for i in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[i] += 1e-6
        down[i] -= 1e-6
        slope = (forward(up)[0].sum() - forward(down)[0].sum()) / 2e-6
        if abs(slope - dx[i]) > 1e-3 * (abs(slope) + abs(dx[i]) + 1e-6 * abs(y).max()):
            return False
    return True
