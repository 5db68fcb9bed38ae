# expect: ReLU.SignOfGradient
import numpy as np


def relu_forward(x):
    return np.where(x > 0, x, 0.0), x


def relu_backward(dy, cache):
    return np.maximum(dy, 0)
