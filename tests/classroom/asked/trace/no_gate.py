# expect: trace.GateForgotten
import numpy as np
from numpy.linalg import norm


def block_forward(x, v, b, u, c, t, s):
    pre = x.dot(v.T) + b
    branch = (np.clip(pre, 0, None).dot(u.T)) * c
    return s * x + branch, pre


def block_backward(g, pre, v, u, c, t, s):
    h = (g * c).dot(u)
    h[pre <= 0] = 0
    return s * g, h.dot(v)


def forward(x, inner, bias, outer, gamma, gate, scale):
    result = np.empty((len(scale) + 1, *x.shape))
    result[0] = x
    for l in range(len(scale)):
        result[l + 1], _ = block_forward(result[l], inner[l], bias[l], outer[l], gamma[l], gate[l], scale[l])
    return result


def everything(x, dy, inner, bias, outer, gamma, gate, scale):
    n = len(scale)
    caches = []
    for l in range(n):
        x, pre = block_forward(x, inner[l], bias[l], outer[l], gamma[l], gate[l], scale[l])
        caches.append(pre)
    table, gaps, total, g = np.zeros((n, 2)), np.zeros(n), np.array(dy), np.array(dy)
    for l in reversed(range(n)):
        a, b = block_backward(g, caches[l], inner[l], outer[l], gamma[l], gate[l], scale[l])
        table[l] = norm(a) / norm(g), norm(b) / norm(g)
        g = a + b
        total += b
        gaps[l] = norm(total - g) / norm(g)
    return table, gaps


def ledger(x, dy, inner, bias, outer, gamma, gate, scale):
    return everything(x, dy, inner, bias, outer, gamma, gate, scale)[0]


def gap(x, dy, inner, bias, outer, gamma, gate, scale):
    return everything(x, dy, inner, bias, outer, gamma, gate, scale)[1]


def find(x, dy, inner, bias, outer, gamma, gate, scale):
    table, gaps = everything(x, dy, inner, bias, outer, gamma, gate, scale)
    if gaps.max() > 1e-9:  # "1 + sum" breaks from the output on where a shortcut is no identity
        return np.array([np.nonzero(gaps > 1e-9)[0].max(), 0])
    return np.array([int(np.argmin(table[:, 1])), 1])


def mend(x, dy, inner, bias, outer, gamma, gate, scale):
    block, term = (int(number) for number in find(x, dy, inner, bias, outer, gamma, gate, scale))
    net = {"bias": bias * 1, "gamma": gamma * 1, "gate": gate * 1, "scale": scale * 1}
    candidates = [("scale", 1.0)] if term == 0 else [("gamma", 1.0), ("gate", 1.0), ("bias", 0.0)]
    for name, value in candidates:
        trial = {key: array.copy() for key, array in net.items()}
        trial[name][block] = value
        after = ledger(x, dy, inner, trial["bias"], outer, trial["gamma"], trial["gate"], trial["scale"])
        if after[block].min() > 0.05:
            return inner, trial["bias"], outer, trial["gamma"], trial["gate"], trial["scale"]
    return inner, bias, outer, gamma, gate, scale
