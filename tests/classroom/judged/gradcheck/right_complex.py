# right
import numpy as np


def check(forward, backward, x, rng):
    a = np.array(x)
    y, cache = forward(a)
    dy = rng.uniform(-1, 1, y.shape)
    b = np.array(dy)
    dx = backward(b, cache)
    if a.tobytes() != x.tobytes() or b.tobytes() != dy.tobytes():
        return False
    slopes = np.empty(x.size)
    for i in range(x.size):
        z = x.astype(complex).ravel()
        z[i] += 1e-40j
        slopes[i] = np.vdot(dy, forward(z.reshape(x.shape))[0].imag / 1e-40)
    return bool(np.linalg.norm(slopes - dx.ravel()) <= 1e-8 * np.linalg.norm(slopes))
