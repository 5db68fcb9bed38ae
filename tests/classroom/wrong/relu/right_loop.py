# right
import numpy as np


def relu_forward(x):
    return (np.abs(x) + x) / 2, x.copy()


def relu_backward(dy, x):
    dx = np.empty_like(dy)
    for i in np.ndindex(dy.shape):
        dx[i] = dy[i] if x[i] > 0 else 0
    return dx
