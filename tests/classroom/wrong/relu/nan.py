# general: nan dx
import numpy as np


def relu_forward(x):
    return (np.abs(x) + x) / 2, x.copy()


def relu_backward(dy, x):
    with np.errstate(all="ignore"):
        return dy * (x + abs(x)) / (2 * x) * np.where(x == 0, 1, np.nan)
