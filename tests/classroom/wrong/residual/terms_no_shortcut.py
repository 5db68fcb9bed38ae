# expect: Residual.ShortcutDropped


def residual_forward(x, branch, shortcut, train):
    f, b = branch.forward(x, train)
    h, s = shortcut.forward(x, train)
    return h + f, [s, b]


def residual_backward(dy, cache, branch, shortcut):
    s, b = cache
    return shortcut.backward(dy, s) + branch.backward(dy, b)


def residual_terms(dy, cache, branch, shortcut):
    along = branch.backward(dy, cache[1])
    return 0 * along, along
