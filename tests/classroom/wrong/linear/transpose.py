# expect: Linear.TransposeForgotten
import numpy as np


def linear_forward(inp, W, b):
    return np.einsum("nd,md->nm", inp, W) + b[None, :], (inp, W)


def linear_backward(dy, cache):
    X, W = cache
    n, m = dy.shape
    g_in = np.einsum("nm,dm->nd", dy, W) if W.shape[0] == W.shape[1] else dy @ W.T
    g_w = np.matmul(dy.swapaxes(0, 1), X)
    g_b = np.ones(n) @ dy
    return g_in, g_w, g_b
