# right
import numpy as np


def relu_forward(x):
    out = np.maximum(0, x)
    return out, (x, out)


def relu_backward(dy, cache):
    _, out = cache
    return dy * np.sign(out)
