# general: shape by_length
import numpy as np


def operators(x, shortcuts, inner, outer):
    bs = []
    state = np.copy(x)
    for l in range(shortcuts.shape[0]):
        pre = inner[l] @ state
        gate = np.diag((pre > 0) * 1.0)
        bs.append((outer[l] @ gate @ inner[l]).tolist())
        state = shortcuts[l] @ state + outer[l] @ (gate @ pre)
    return np.array(bs)


def path(dy, shortcuts, branches, taken):
    v = dy
    l = len(taken)
    while l > 0:
        l -= 1
        v = np.tensordot(v, [shortcuts[l], branches[l]][int(taken[l])], axes=([0], [0]))
    return v


def by_length(dy, shortcuts, branches):
    table = {0: dy}
    for s, b in zip(reversed(list(shortcuts)), reversed(list(branches))):
        longest = max(table)
        for k in range(longest + 1, -1, -1):
            new = np.zeros_like(dy)
            if k in table:
                new = new + s.T @ table[k]
            if k - 1 in table:
                new = new + b.T @ table[k - 1]
            table[k] = new
    return np.array([table[k] for k in sorted(table)[:-1]])


def shares(gradients):
    g = gradients.sum(0)
    unit = g / np.sqrt(g @ g)
    return gradients.dot(unit) / np.sqrt(g @ g)


def avoiding(dy, shortcuts, branches, block):
    everything = dy
    for s, b in zip(shortcuts[::-1], branches[::-1]):
        everything = (s + b).T @ everything
    with_it = shortcuts.copy() * 0
    with_it[block] = branches[block]
    v = dy
    for l in range(len(shortcuts) - 1, -1, -1):
        v = (branches[l] if l == block else shortcuts[l] + branches[l]).T @ v
    return everything - v


def lesion(x, dy, shortcuts, inner, outer, block):
    keep = np.ones(len(outer))
    keep[block] = 0
    muted = outer * keep[:, None, None]
    bs = operators(x, shortcuts, inner, muted)
    return avoiding(dy, shortcuts, bs, block)
