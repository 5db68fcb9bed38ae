# general: raised
import numpy as np


def rows(a):
    return a.transpose(0, 2, 3, 1).reshape(-1, a.shape[1])


def images(a, shape):
    n, c, h, w = shape
    return a.reshape(n, h, w, c).transpose(0, 3, 1, 2)


def batchnorm_forward(x, gamma, beta, running_mean, running_var, train):
    r = rows(x)
    M = len(r)
    if train:
        mean = r.sum(0) / M
        var = ((r - mean) ** 2).sum(0) / M
        running_mean[:] = 0.9 * running_mean + 0.1 * mean
        running_var[:] = 0.9 * running_var + 0.1 * var * M / (M - 1)
    else:
        mean, var = running_mean + 0, running_var + 0
    ivar = 1.0 / np.sqrt(var + 1e-5)
    xmu = r - mean
    xhat = xmu * ivar
    return images(gamma * xhat + beta, x.shape), (xhat, xmu, ivar, var, gamma, train, x.shape)


def batchnorm_backward(dy, cache):
    xhat, xmu, ivar, var, gamma, train, shape = cache
    d = rows(dy)
    M = len(d)
    dgamma, dbeta = (d * xhat).sum(axis=0), d.sum(axis=0)
    dxhat = d * gamma
    if not train:
        return images(dxhat * ivar, shape)
    dvar = np.sum(dxhat * xmu, axis=0) * -0.5 * ivar**3
    dmu = np.sum(dxhat, axis=0) * -ivar
    dx = dxhat * ivar + dvar * 2 * xmu / M + dmu / M
    return images(dx, shape)
