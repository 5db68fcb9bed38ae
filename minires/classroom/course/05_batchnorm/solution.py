"""Mean and variance depend on x, and so the gradient has three terms."""

import numpy as np


def batchnorm_forward(x, gamma, beta, running_mean, running_var, train):
    """y = gamma x_hat + beta, x_hat = (x - mean) / sqrt(var + 1e-5), for each channel.

    x: (N, C, H, W)   all others: (C,)   returns (y, cache)
    train: mean and var (divided by m) over the m = N H W numbers of a channel; the running statistics are moved, in
    place: 0.9 of the old and 0.1 of the new, with the variance divided by m - 1. Otherwise they take the place of both.
    """

    def channels(a):
        return a[:, None, None]

    if train:
        mean, var = x.mean(axis=(0, 2, 3)), x.var(axis=(0, 2, 3))
        m = x.size // x.shape[1]
        running_mean[...] = 0.9 * running_mean + 0.1 * mean
        running_var[...] = 0.9 * running_var + 0.1 * var * m / (m - 1)
    else:
        mean, var = running_mean, running_var
    std = np.sqrt(var + 1e-5)
    x_hat = (x - channels(mean)) / channels(std)
    return channels(gamma) * x_hat + channels(beta), (x_hat, std.copy(), gamma, train)


def batchnorm_backward(dy, cache):
    """dy: (N, C, H, W)   returns (dx, dgamma, dbeta)"""
    x_hat, std, gamma, train = cache
    axes = (0, 2, 3)
    dgamma, dbeta = (dy * x_hat).sum(axis=axes), dy.sum(axis=axes)
    direct = dy
    if train:
        m = dy.size // dy.shape[1]
        direct = dy - (dbeta / m)[:, None, None] - x_hat * (dgamma / m)[:, None, None]
    return direct * (gamma / std)[:, None, None], dgamma, dbeta
