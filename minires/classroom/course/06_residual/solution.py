"""Two ways forward are two ways back, and gradients of different ways add up."""


def residual_forward(x, branch, shortcut, train):
    """y = shortcut(x) + branch(x)

    branch, shortcut: layers with forward(x, train) -> (y, cache) and backward(dy, cache) -> dx   returns (y, cache)
    """
    along, branch_cache = branch.forward(x, train)
    across, shortcut_cache = shortcut.forward(x, train)
    return across + along, (branch_cache, shortcut_cache)


def residual_backward(dy, cache, branch, shortcut):
    """Returns dx"""
    branch_cache, shortcut_cache = cache
    return shortcut.backward(dy, shortcut_cache) + branch.backward(dy, branch_cache)


def residual_terms(dy, cache, branch, shortcut):
    """Returns (shortcut, branch): the two terms that add up to dx"""
    branch_cache, shortcut_cache = cache
    along = branch.backward(dy, branch_cache)
    return shortcut.backward(dy, shortcut_cache), along
