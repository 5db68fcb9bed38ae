"""Normalisation of one set of values at a time, its backward by the explicit Jacobian."""

import math
from itertools import product

import numpy as np


def normalise(values, eps):
    """Return x_hat, the Jacobian dx_hat[j]/dx[i] as [j, i], mean and biased variance of a list of values."""
    m = len(values)
    mean = math.fsum(values) / m
    var = math.fsum((v - mean) ** 2 for v in values) / m
    std = math.sqrt(var + eps)
    jacobian = np.empty((m, m))
    for j, i in product(range(m), range(m)):
        dstd = (values[i] - mean) / (m * std)
        jacobian[j, i] = ((i == j) - 1 / m) / std - (values[j] - mean) / std**2 * dstd
    return np.array([(v - mean) / std for v in values]), jacobian, mean, var


def _affine_normal(x, dy, gamma, beta, eps, sets, place=lambda e: e[1]):
    """Normalise each set of entries; ``sets`` holds lists of indices into x, ``place`` gives that of their gamma."""
    y, dx = np.zeros(x.shape), np.zeros(x.shape)
    dgamma, dbeta = np.zeros(gamma.shape), np.zeros(beta.shape)
    moments = []
    for entries in sets:
        x_hat, jacobian, mean, var = normalise([x[e] for e in entries], eps)
        moments.append((mean, var))
        for j, e in enumerate(entries):
            c = place(e)
            y[e] = gamma[c] * x_hat[j] + beta[c]
            dgamma[c] += dy[e] * x_hat[j]
            dbeta[c] += dy[e]
            for i, other in enumerate(entries):
                dx[other] += dy[e] * gamma[c] * jacobian[j, i]
    return {"y": y, "dx": dx, "gamma": dgamma, "beta": dbeta}, moments


def batch_norm_train(x, dy, gamma, beta, running_mean, running_var, momentum, eps):
    sets = [[e for e in np.ndindex(x.shape) if e[1] == c] for c in range(x.shape[1])]
    answer, moments = _affine_normal(x, dy, gamma, beta, eps, sets)
    m = len(sets[0])
    new_mean = [(1 - momentum) * old + momentum * mean for old, (mean, _) in zip(running_mean, moments)]
    new_var = [(1 - momentum) * old + momentum * var * m / (m - 1) for old, (_, var) in zip(running_var, moments)]
    return {**answer, "running_mean": np.array(new_mean), "running_var": np.array(new_var)}


def batch_norm_eval(x, dy, gamma, beta, running_mean, running_var, eps):
    y, dx = np.zeros(x.shape), np.zeros(x.shape)
    dgamma, dbeta = np.zeros(gamma.shape), np.zeros(beta.shape)
    for e in np.ndindex(x.shape):
        c = e[1]
        std = math.sqrt(running_var[c] + eps)
        y[e] = gamma[c] * (x[e] - running_mean[c]) / std + beta[c]
        dx[e] = dy[e] * gamma[c] / std
        dgamma[c] += dy[e] * (x[e] - running_mean[c]) / std
        dbeta[c] += dy[e]
    answer = {"y": y, "dx": dx, "gamma": dgamma, "beta": dbeta}
    return {**answer, "running_mean": running_mean, "running_var": running_var}


def group_norm(x, dy, gamma, beta, groups, eps):
    n_images, channels = x.shape[:2]
    size = channels // groups
    sets = [
        [e for e in np.ndindex(x.shape) if e[0] == n and e[1] // size == g]
        for n, g in product(range(n_images), range(groups))
    ]
    return _affine_normal(x, dy, gamma, beta, eps, sets)[0]


def layer_norm(x, dy, gamma, beta, eps):
    axes = x.ndim - gamma.ndim  # those before the axes of gamma
    sets = [[(*n, *e) for e in np.ndindex(gamma.shape)] for n in np.ndindex(x.shape[:axes])]
    return _affine_normal(x, dy, gamma, beta, eps, sets, place=lambda e: e[axes:])[0]
