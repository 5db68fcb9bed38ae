# expect: paths.SignLost
import numpy as np


def operators(x, shortcuts, inner, outer):
    if len(shortcuts) == 0:
        return np.zeros((0, len(x), len(x)))
    hidden = inner[0].dot(x)
    here = outer[0].dot(np.diag(np.where(hidden > 0, 1.0, 0.0))).dot(inner[0])
    then = shortcuts[0].dot(x) + outer[0].dot(np.where(hidden > 0, hidden, 0))
    return np.concatenate([here[None], operators(then, shortcuts[1:], inner[1:], outer[1:])])


def path(dy, shortcuts, branches, taken):
    if not len(taken):
        return dy
    rest = path(dy, shortcuts[1:], branches[1:], taken[1:])
    return rest @ (branches[0] if taken[0] == 1 else shortcuts[0])


def by_length(dy, shortcuts, branches):
    if not len(shortcuts):
        return dy[None].copy()
    rest = by_length(dy, shortcuts[1:], branches[1:])
    zero = np.zeros((1, len(dy)))
    return np.vstack([rest @ shortcuts[0], zero]) + np.vstack([zero, rest @ branches[0]])


def shares(gradients):
    g = np.add.reduce(gradients)
    return np.array([np.abs(np.dot(k, g)) / np.dot(g, g) for k in gradients])


def avoiding(dy, shortcuts, branches, block):
    kept = [b * (i != block) for i, b in enumerate(branches)]
    return by_length(dy, shortcuts, np.array(kept)).sum(0)


def lesion(x, dy, shortcuts, inner, outer, block):
    before = inner.copy()
    before[block] = 0
    steps = operators(x, shortcuts, before, outer)
    g = dy
    for a, b in list(zip(shortcuts, steps))[::-1]:
        g = (a + b).T @ g
    return g
