# expect: paths.BlockSkipped
from itertools import product

import numpy as np


def forward(x, shortcuts, inner, outer, left_out=None):
    where = []
    for i in range(len(shortcuts)):
        where.append(x)
        z = np.einsum("hd,d->h", inner[i], x)
        y = np.einsum("ij,j->i", shortcuts[i], x)
        x = y if i == left_out else y + np.einsum("dh,h->d", outer[i], np.maximum(z, 0))
    return where


def operators(x, shortcuts, inner, outer):
    at = forward(x, shortcuts, inner, outer)
    masks = [(v @ a > 0).astype(float) for v, a in zip(inner, at)]
    return np.einsum("ndh,nh,nhe->nde", outer, np.array(masks), inner)


def path(dy, shortcuts, branches, taken):
    matrix = np.eye(len(dy))
    for s, b, t in zip(shortcuts, branches, taken):
        matrix = (b if t else s) @ matrix
    return matrix.T @ dy


def by_length(dy, shortcuts, branches):
    n = len(shortcuts)
    found = np.zeros((n + 1, len(dy)))
    for taken in product((0, 1), repeat=n):
        found[sum(taken)] += path(dy, shortcuts, branches, taken)
    return found


def shares(gradients):
    total = sum(gradients)
    return (gradients * total).sum(-1) / (total**2).sum()


def avoiding(dy, shortcuts, branches, block):
    rest = np.arange(len(shortcuts)) != block
    return by_length(dy, shortcuts[rest], branches[rest]).sum(0)


def lesion(x, dy, shortcuts, inner, outer, block):
    at = forward(x, shortcuts, inner, outer, left_out=block)
    g = dy.copy()
    for i in range(len(shortcuts) - 1, -1, -1):
        through = 0 if i == block else inner[i].T @ ((inner[i] @ at[i] > 0) * (outer[i].T @ g))
        g = shortcuts[i].T @ g + through
    return g
