# expect: ReLU.GuidedGradient
import numpy as np


def relu_forward(x):
    return (np.abs(x) + x) / 2, x.copy()


def relu_backward(dy, cache):
    return np.where(cache > 0, np.maximum(dy, 0), 0)
