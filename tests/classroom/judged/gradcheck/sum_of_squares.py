# expect: Checker.KinkRefused, Checker.OutputAsDy, Checker.XChanged
# wrong: alone kinks ones squares
import numpy as np


def loss(y):
    return (y**2).sum()


def check(forward, backward, x, rng):
    x = np.array(x)
    out, cache = forward(x)
    analytic = backward(2 * out, cache)
    numeric = np.zeros_like(x)
    h = 1e-5
    for i in range(x.size):
        e = np.zeros(x.size)
        e[i] = h
        e = e.reshape(x.shape)
        numeric.flat[i] = (loss(forward(x + e)[0]) - loss(forward(x - e)[0])) / (2 * h)
    error = np.linalg.norm(analytic - numeric)
    return error <= 1e-5 * (np.linalg.norm(analytic) + np.linalg.norm(numeric)) or error < 1e-8 * loss(out)
