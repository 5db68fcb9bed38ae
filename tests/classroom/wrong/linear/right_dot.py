# right
import numpy as np


def linear_forward(x, weight, bias):
    out = np.dot(x, weight.transpose())
    out += bias
    return out, {"x": x, "w": weight}


def linear_backward(dy, cache):
    X, W = cache["x"], cache["w"]
    n, m = dy.shape
    g_in = dy @ W
    g_w = np.matmul(dy.swapaxes(0, 1), X)
    g_b = np.ones(n) @ dy
    return g_in, g_w, g_b
