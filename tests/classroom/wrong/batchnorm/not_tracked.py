# general: unmoved running_mean
import numpy as np


def batchnorm_forward(x, gamma, beta, running_mean, running_var, train):
    shape, axes, m = (1, -1, 1, 1), (0, 2, 3), x[:, 0].size
    if train:
        mu, var = x.mean(axes), x.var(axes)
        running_mean = 0.9 * running_mean + 0.1 * mu
        running_var = 0.9 * running_var + 0.1 * x.var(axes, ddof=1)
    else:
        mu, var = np.copy(running_mean), np.copy(running_var)
    std = np.sqrt(var + 1e-5).reshape(shape)
    centred = x - mu.reshape(shape)
    xhat = centred / std
    return xhat * gamma.reshape(shape) + beta.reshape(shape), (centred, std, xhat, gamma.reshape(shape), train, m, x)


def batchnorm_backward(dy, cache):
    centred, std, xhat, gamma, train, m, x = cache
    avg = lambda a: a.mean(axis=(0, 2, 3), keepdims=True)
    dgamma = np.einsum('nchw,nchw->c', dy, xhat)
    dbeta = np.einsum('nchw->c', dy)
    g = gamma * dy
    dx = (g - avg(g) - xhat * avg(g * xhat)) / std if train else g / std
    return dx, dgamma, dbeta
