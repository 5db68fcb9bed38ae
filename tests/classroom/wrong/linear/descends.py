# expect: Linear.WeightUpdated
import numpy as np


def linear_forward(inp, W, b):
    return np.einsum("nd,md->nm", inp, W) + b[None, :], (inp, W)


def linear_backward(dy, cache):
    X, W = cache
    step = dy.T.dot(X)
    down = dy.dot(W)
    W[...] = W - step / 10
    return down, step, dy.sum(axis=0)
