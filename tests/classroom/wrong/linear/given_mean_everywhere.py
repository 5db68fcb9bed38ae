# expect: Linear.WeightGradientAveraged, Linear.BiasAveraged
import numpy as np


def linear_forward(x, weight, bias):
    return x @ weight.T + bias, (x, weight)


def linear_backward(dy, cache):
    x, weight = cache
    n = x.shape[0]
    dweight = (1 / n) * dy.T @ x
    dbias = (1 / n) * np.sum(dy, axis=0)
    return dy @ weight, dweight, dbias
