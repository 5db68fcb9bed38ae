"""Activations and losses one number at a time, with the functions of ``math``."""

import math

import numpy as np


def _sigmoid(x):
    return 1 / (1 + math.exp(-x))


def _normal_cdf(x):
    return math.erfc(-x / math.sqrt(2)) / 2


def _normal_density(x):
    return math.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def _inner(x):
    return math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)


def _gelu_by_tanh_slope(x):
    inner_slope = math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * x**2)
    tanh = math.tanh(_inner(x))
    return (1 + tanh) / 2 + x * (1 - tanh**2) / 2 * inner_slope


def _hard_swish_slope(x):
    return 0 if x <= -3 else 1 if x >= 3 else (2 * x + 3) / 6


# name: (f, its derivative), for the settings slope = 0.2 and alpha = 1.5
ACTIVATIONS = {
    "ReLU": (lambda x: max(x, 0), lambda x: x > 0),
    "ReLU6": (lambda x: min(max(x, 0), 6), lambda x: 0 < x < 6),
    "LeakyReLU": (lambda x: x if x > 0 else 0.2 * x, lambda x: 1 if x > 0 else 0.2),
    "ELU": (lambda x: x if x > 0 else 1.5 * math.expm1(x), lambda x: 1 if x > 0 else 1.5 * math.exp(x)),
    "Sigmoid": (_sigmoid, lambda x: math.exp(-x) / (1 + math.exp(-x)) ** 2),
    "Tanh": (math.tanh, lambda x: 1 / math.cosh(x) ** 2),
    "SiLU": (lambda x: x * _sigmoid(x), lambda x: (1 + math.exp(-x) + x * math.exp(-x)) / (1 + math.exp(-x)) ** 2),
    "GELU": (lambda x: x * _normal_cdf(x), lambda x: _normal_cdf(x) + x * _normal_density(x)),
    "GELU by tanh": (lambda x: x * (1 + math.tanh(_inner(x))) / 2, _gelu_by_tanh_slope),
    "HardSwish": (lambda x: x * min(max(x + 3, 0), 6) / 6, _hard_swish_slope),
}


def activation(name, x, dy):
    f, df = ACTIVATIONS[name]
    y = np.array([f(v) for v in x.flat], float).reshape(x.shape)
    dx = np.array([df(v) * d for v, d in zip(x.flat, dy.flat)], float).reshape(x.shape)
    return {"y": y, "dx": dx}


def prelu(x, dy, weight):
    y, dx, dweight = np.zeros(x.shape), np.zeros(x.shape), np.zeros(weight.shape)
    for e in np.ndindex(x.shape):
        c = e[1] if len(weight) > 1 else 0
        y[e] = x[e] if x[e] > 0 else weight[c] * x[e]
        dx[e] = dy[e] if x[e] > 0 else weight[c] * dy[e]
        dweight[c] += 0 if x[e] > 0 else x[e] * dy[e]
    return {"y": y, "dx": dx, "weight": dweight}


def linear(x, dy, weight, bias):
    y, dx = np.zeros(dy.shape), np.zeros(x.shape)
    dweight = np.zeros(weight.shape)
    for n, m in np.ndindex(dy.shape):
        y[n, m] = 0 if bias is None else bias[m]
        for d in range(x.shape[1]):
            y[n, m] += weight[m, d] * x[n, d]
            dx[n, d] += weight[m, d] * dy[n, m]
            dweight[m, d] += x[n, d] * dy[n, m]
    answer = {"y": y, "dx": dx, "weight": dweight}
    return answer if bias is None else {**answer, "bias": np.array([sum(dy[:, m]) for m in range(dy.shape[1])])}


def cross_entropy(logits, labels, e, weight=None, ignore_index=None):
    """Loss and dlogits, through the probabilities: dL/dz_k = sum_j dL/dp_j dp_j/dz_k. Labels (N,) or (N, K)."""
    n_rows, n_classes = logits.shape
    weight = [1.0] * n_classes if weight is None else weight
    hard = labels.ndim == 1
    rows = [n for n in range(n_rows) if not hard or labels[n] != ignore_index]
    total = math.fsum(weight[labels[n]] for n in rows) if hard else n_rows
    loss, dlogits = 0.0, np.zeros(logits.shape)
    for n in rows:
        exps = [math.exp(z) for z in logits[n]]
        p = [v / math.fsum(exps) for v in exps]
        targets = [float(k == labels[n]) for k in range(n_classes)] if hard else labels[n]
        t = [weight[k] * ((1 - e) * targets[k] + e / n_classes) for k in range(n_classes)]
        loss -= math.fsum(t[k] * math.log(p[k]) for k in range(n_classes)) / total
        for k in range(n_classes):
            for j in range(n_classes):
                dlogits[n, k] += -t[j] / p[j] / total * p[j] * ((j == k) - p[k])
    return loss, dlogits


def squared_error(outputs, targets):
    differences = [a - b for a, b in zip(outputs.flat, targets.flat)]
    loss = math.fsum(d * d for d in differences) / len(differences)
    return loss, np.array([2 * d / len(differences) for d in differences]).reshape(outputs.shape)
