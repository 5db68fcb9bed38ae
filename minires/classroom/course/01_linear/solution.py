"""A layer is a pair of functions: forward computes, backward sends the gradient back."""

import numpy as np


def linear_forward(x, weight, bias):
    """y = x W^T + b

    x: (N, D)   weight: (M, D)   bias: (M,)   returns (y, cache): y (N, M), and whatever backward needs
    """
    y = np.matmul(x, weight.T) + bias
    return y, (x, weight)


def linear_backward(dy, cache):
    """dy: (N, M), the gradient of the loss by y   returns (dx, dweight, dbias), in the shapes of x, weight and bias"""
    x, weight = cache
    return np.matmul(dy, weight), np.matmul(dy.T, x), dy.sum(axis=0)
