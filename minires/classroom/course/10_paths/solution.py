"""The gradient of a residual network is a sum over its paths: by length, without one branch, and after a lesion."""

import numpy as np


def operators(x, shortcuts, inner, outer):
    """The derivatives of the branches of a network whose blocks are y = S x + U relu(V x), each at what arrives there.

    x: (D,)   shortcuts: S of each block (n, D, D)   inner: V (n, H, D)   outer: U (n, D, H)   returns (n, D, D)
    """
    found = []
    for shortcut, first, second in zip(shortcuts, inner, outer):
        z = first @ x
        found.append((second * (z > 0)) @ first)
        x = shortcut @ x + second @ np.maximum(z, 0)
    return np.stack(found)


def path(dy, shortcuts, branches, taken):
    """The gradient that comes through one path.

    dy: by the output (D,)   branches: what ``operators`` returns (n, D, D)   taken: 1 for each block whose branch it
    takes, 0 for its shortcut (n,)   returns (D,)
    """
    gradient = dy
    for number in reversed(range(len(taken))):
        step = branches[number] if taken[number] else shortcuts[number]
        gradient = step.T @ gradient
    return gradient


def by_length(dy, shortcuts, branches):
    """The sum of the gradients of all paths through k branches, for k = 0 ... n   returns (n + 1, D)"""
    sums = np.zeros((len(branches) + 1, len(dy)))
    sums[0] = dy
    for shortcut, branch in zip(shortcuts[::-1], branches[::-1]):
        along = sums @ shortcut
        along[1:] += sums[:-1] @ branch
        sums = along
    return sums


def shares(gradients):
    """What the gradients G_k (n + 1, D) bring to their sum g: <G_k, g> / <g, g>   returns (n + 1,)"""
    whole = gradients.sum(axis=0)
    return gradients @ whole / (whole @ whole)


def avoiding(dy, shortcuts, branches, block):
    """The sum of the gradients of all paths that do not take the branch of one block   returns (D,)"""
    left = dy
    for number in reversed(range(len(branches))):
        both = shortcuts[number].copy()
        if number != block:
            both += branches[number]
        left = both.T @ left
    return left


def lesion(x, dy, shortcuts, inner, outer, block):
    """The gradient by x of the network from which the branch of one block is taken out   returns (D,)"""
    without = outer.copy()
    without[block] = 0
    return by_length(dy, shortcuts, operators(x, shortcuts, inner, without)).sum(axis=0)
