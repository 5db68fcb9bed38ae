# expect: Linear.WeightGradientAveraged, Linear.WeightGradientTransposed
import numpy as np


def linear_forward(x, weight, bias):
    y = np.zeros((len(x), len(weight)))
    for i, row in enumerate(x):
        for j, w in enumerate(weight):
            y[i, j] = sum(a * c for a, c in zip(row, w)) + bias[j]
    return y, [x, weight]


def linear_backward(dy, cache):
    X, W = cache
    n, m = dy.shape
    g_in = dy @ W
    g_w = X.T @ dy / n
    g_b = np.ones(n) @ dy
    return g_in, g_w, g_b
