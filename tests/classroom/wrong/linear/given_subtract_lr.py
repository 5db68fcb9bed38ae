# expect: Linear.WeightUpdated


def linear_forward(x, weight, bias):
    return x @ weight.T + bias, (x, weight)


def linear_backward(dy, cache):
    x, weight = cache
    dx = dy @ weight
    dw = dy.T @ x
    weight -= 0.1 * dw
    return dx, dw, dy.sum(0)
