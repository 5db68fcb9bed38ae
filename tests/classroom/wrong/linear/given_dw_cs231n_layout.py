# expect: Linear.WeightGradientTransposed


def linear_forward(x, weight, bias):
    return x @ weight.T + bias, (x, weight)


def linear_backward(dy, cache):
    x, w = cache
    dx = dy.dot(w)
    dw = x.T.dot(dy)
    db = dy.sum(axis=0)
    return dx, dw, db
