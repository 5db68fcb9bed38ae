# expect: Residual.ProjectionIgnored
import numpy as np


def residual_forward(x, branch, shortcut, train):
    skip, skip_cache = shortcut.forward(x, train)
    out, cache = branch.forward(x, train)
    return np.add(skip, out), {"skip": skip_cache, "branch": cache}


def residual_backward(dout, cache, branch, shortcut):
    return branch.backward(dout, cache["branch"]) + dout


def residual_terms(dy, cache, branch, shortcut):
    return shortcut.backward(dy, cache["skip"]), branch.backward(dy, cache["branch"])
