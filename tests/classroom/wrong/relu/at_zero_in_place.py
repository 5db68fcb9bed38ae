# expect: ReLU.AliveAtZero, ReLU.GradientChanged
import numpy as np


def relu_forward(x):
    return np.where(x > 0, x, 0.0), x


def relu_backward(dout, x):
    dx = dout
    dx[x < 0] = 0
    return dx
