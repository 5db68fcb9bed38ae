# expect: ReLU.UpstreamForgotten
import numpy as np


def relu_forward(x):
    out = np.maximum(0, x)
    return out, (x, out)


def relu_backward(dy, cache):
    x, _ = cache
    return np.array(x > 0, dtype=float)
