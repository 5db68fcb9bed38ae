# expect: BatchNorm2d.GammaForgotten, BatchNorm2d.VarianceTermMissing
import numpy as np


def batchnorm_forward(x, gamma, beta, running_mean, running_var, train, momentum=0.1, eps=1e-5):
    C = x.shape[1]
    v = lambda a: a.reshape(1, C, 1, 1)
    if train:
        m = x.size // C
        mean = x.mean(axis=(0, 2, 3))
        var = ((x - v(mean)) ** 2).mean(axis=(0, 2, 3))
        running_mean[...] = (1 - momentum) * running_mean + momentum * mean
        running_var[...] = (1 - momentum) * running_var + momentum * var * m / (m - 1)
    else:
        mean, var = running_mean.copy(), running_var.copy()
    xhat = (x - v(mean)) / np.sqrt(v(var) + eps)
    return v(gamma) * xhat + v(beta), (x, xhat, v(mean), v(var), v(gamma), eps, train)


def batchnorm_backward(dy, cache):
    x, xhat, mean, var, gamma, eps, train = cache
    mu = lambda a: a.mean(axis=(0, 2, 3), keepdims=True)
    dbeta = np.sum(dy, axis=(0, 2, 3))
    dgamma = np.sum(dy * xhat, axis=(0, 2, 3))
    g = dy
    inv = (var + eps) ** -0.5
    if train:
        g = g - mu(g)
    return inv * g, dgamma, dbeta
