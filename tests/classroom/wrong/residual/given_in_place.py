# expect: Residual.AddedInPlace


def residual_forward(x, branch, shortcut, train):
    f, branch_cache = branch.forward(x, train)
    h, shortcut_cache = shortcut.forward(x, train)
    return h + f, (branch_cache, shortcut_cache)


def residual_backward(dy, cache, branch, shortcut):
    dx = shortcut.backward(dy, cache[1])
    dx += branch.backward(dy, cache[0])
    return dx


def residual_terms(dy, cache, branch, shortcut):
    return shortcut.backward(dy, cache[1]), branch.backward(dy, cache[0])
