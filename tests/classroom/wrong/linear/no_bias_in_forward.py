# expect: Linear.BiasNotAdded


def linear_forward(x, weight, bias):
    return x @ weight.T, (x, weight)


def linear_backward(dy, cache):
    x, weight = cache
    return dy @ weight, dy.T @ x, dy.sum(axis=0)
