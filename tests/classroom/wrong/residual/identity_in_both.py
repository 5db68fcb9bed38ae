# expect: Residual.InputAdded


def residual_forward(x, branch, shortcut, train):
    out, cache = branch.forward(x, train)
    return x + out, cache


def residual_backward(dout, cache, branch, shortcut):
    return dout + branch.backward(dout, cache)


def residual_terms(dy, cache, branch, shortcut):
    return dy, branch.backward(dy, cache)
