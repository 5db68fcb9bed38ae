# expect: Residual.ShortcutNotAdded


def residual_forward(x, branch, shortcut, train):
    return branch.forward(x, train)


def residual_backward(dout, cache, branch, shortcut):
    return branch.backward(dout, cache)


def residual_terms(dy, cache, branch, shortcut):
    along = branch.backward(dy, cache)
    return 0 * along, along
