# expect: ReLU.InputChanged


def relu_forward(x):
    alive = x > 0
    x[~alive] = 0
    return x, alive


def relu_backward(dy, alive):
    return dy * alive
