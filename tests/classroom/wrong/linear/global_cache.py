# expect: Linear.CacheKept


REMEMBERED = {}


def linear_forward(x, weight, bias):
    REMEMBERED["x"], REMEMBERED["weight"] = x, weight
    return x.dot(weight.T) + bias, None


def linear_backward(dy, cache):
    x, weight = REMEMBERED["x"], REMEMBERED["weight"]
    return dy.dot(weight), dy.T.dot(x), dy.sum(0)
