# expect: Linear.WeightGradientTransposed, Linear.BiasAveraged, Linear.TransposeForgotten
import numpy as np


def linear_forward(x, weight, bias):
    out = np.dot(x, weight.transpose())
    out += bias
    return out, {"x": x, "w": weight}


def linear_backward(dy, cache):
    X, W = cache["x"], cache["w"]
    n, m = dy.shape
    g_in = dy @ W.T
    g_w = X.T @ dy
    g_b = dy.mean(axis=0)
    return g_in, g_w, g_b
