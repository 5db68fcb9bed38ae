# expect: Linear.TransposeForgotten
import numpy as np


def linear_forward(x, weight, bias):
    return x @ weight.T + bias, (x, weight)


def linear_backward(dy, cache):
    x, W = cache
    dW = dy.T.dot(x)
    db = np.sum(dy, 0)
    dx = dy.dot(W.T)
    return dx, dW, db
