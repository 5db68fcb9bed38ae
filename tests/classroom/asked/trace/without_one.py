# expect: trace.OneForgotten
import numpy as np


def sigmoid(t):
    return np.exp(t) / (1 + np.exp(t))


def forward(x, inner, bias, outer, gamma, gate, scale):
    out = [x.copy()]
    for V, b, U, c, t, s in zip(inner, bias, outer, gamma, gate, scale):
        z = np.einsum("nd,hd->nh", out[-1], V) + b
        out.append(s * out[-1] + sigmoid(t) * c * np.einsum("nh,dh->nd", z * (z > 0), U))
    return np.array(out)


def walk(x, dy, inner, bias, outer, gamma, gate, scale):
    """[(g behind, shortcut's term, branch's term), ...] from block 0 on"""
    xs = forward(x, inner, bias, outer, gamma, gate, scale)
    rows = [None] * len(inner)
    g = dy
    for l in range(len(inner) - 1, -1, -1):
        branch = np.zeros_like(g)
        for image in range(len(x)):
            on = (inner[l] @ xs[l, image] + bias[l]) > 0
            jacobian = sigmoid(gate[l]) * np.diag(gamma[l]) @ outer[l] @ np.diag(on.astype(float)) @ inner[l]
            branch[image] = jacobian.T @ g[image]
        rows[l] = (g, scale[l] * g, branch)
        g = rows[l][1] + branch
    return rows


def size(a):
    return np.sqrt(np.sum(a**2))


def ledger(x, dy, inner, bias, outer, gamma, gate, scale):
    rows = walk(x, dy, inner, bias, outer, gamma, gate, scale)
    return np.array([[size(a) / size(g), size(b) / size(g)] for g, a, b in rows])


def gap(x, dy, inner, bias, outer, gamma, gate, scale):
    rows = walk(x, dy, inner, bias, outer, gamma, gate, scale)
    found = []
    for l in range(len(rows)):
        g = rows[l][1] + rows[l][2]
        found.append(size(g - sum(b for _, _, b in rows[l:])) / size(g))
    return np.array(found)


def find(x, dy, inner, bias, outer, gamma, gate, scale):
    table = ledger(x, dy, inner, bias, outer, gamma, gate, scale)
    table = table / np.array([[1.0, 0.15]])
    block, term = np.unravel_index(np.argmin(table), table.shape)
    if np.sum(abs(table[:, 0] - 1) > 1e-3) == 1:
        block, term = int(np.argmax(abs(table[:, 0] - 1))), 0
    return block, term


def mend(x, dy, inner, bias, outer, gamma, gate, scale):
    block, term = find(x, dy, inner, bias, outer, gamma, gate, scale)
    new = [a.copy() for a in (inner, bias, outer, gamma, gate, scale)]
    if term == 0:
        new[5][block] = 1.0
        return new
    if not np.any(gamma[block]):
        new[3][block] = np.mean(np.delete(gamma, block, 0), axis=0) if len(gamma) > 1 else 1.0
    if gate[block] < -5:
        new[4][block] = 0.0
    if np.all(bias[block] < -10):
        new[1][block] = np.zeros(bias.shape[1])
    return new
