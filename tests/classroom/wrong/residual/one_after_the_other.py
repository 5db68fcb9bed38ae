# expect: Residual.PathsChained
import numpy as np


def residual_forward(x, branch, shortcut, train):
    skip, skip_cache = shortcut.forward(x, train)
    out, cache = branch.forward(x, train)
    return np.add(skip, out), {"skip": skip_cache, "branch": cache}


def residual_backward(dout, cache, branch, shortcut):
    through = shortcut.backward(dout, cache["skip"])
    return through + branch.backward(through, cache["branch"])


def residual_terms(dy, cache, branch, shortcut):
    return shortcut.backward(dy, cache["skip"]), branch.backward(dy, cache["branch"])
