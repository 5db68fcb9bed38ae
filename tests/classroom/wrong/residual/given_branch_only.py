# expect: Residual.ShortcutDropped


def residual_forward(x, branch, shortcut, train):
    f, branch_cache = branch.forward(x, train)
    h, shortcut_cache = shortcut.forward(x, train)
    return h + f, (branch_cache, shortcut_cache)


def residual_backward(dy, cache, branch, shortcut):
    return branch.backward(dy, cache[0])


def residual_terms(dy, cache, branch, shortcut):
    return shortcut.backward(dy, cache[1]), branch.backward(dy, cache[0])
