# general: zeros dx
import numpy as np


def relu_forward(x):
    return np.where(x > 0, x, 0.0), x


def relu_backward(dy, x):
    return np.zeros(x.shape)
