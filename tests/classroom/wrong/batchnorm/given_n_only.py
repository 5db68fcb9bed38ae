# expect: BatchNorm2d.DividedByImages
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
    N, C, H, W = x.shape
    ax = (0, 2, 3)
    s = lambda a: a.sum(axis=ax, keepdims=True)
    m = N
    dbeta = dy.sum(axis=ax)
    dgamma = (dy * xhat).sum(axis=ax)
    dxhat = dy * gamma
    inv = 1 / np.sqrt(var + eps)
    if not train:
        return dxhat * inv, dgamma, dbeta
    dvar = s(dxhat * (x - mean) * -0.5 * inv**3)
    dmean = s(-dxhat * inv) + dvar * s(-2 * (x - mean)) / m
    dx = dxhat * inv + dvar * 2 * (x - mean) / m + dmean / m
    return dx, dgamma, dbeta
