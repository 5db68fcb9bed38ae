# right
import numpy as np


def conv_forward(x, weight, bias, padding):
    N, C, H, W = x.shape
    F, _, KH, KW = weight.shape
    p = padding
    xp = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
    OH, OW = H + 2 * p - KH + 1, W + 2 * p - KW + 1
    y = np.zeros((N, F, OH, OW))
    for i in range(OH):
        for j in range(OW):
            y[:, :, i, j] = np.tensordot(xp[:, :, i : i + KH, j : j + KW], weight, ([1, 2, 3], [1, 2, 3])) + bias
    return y, (x, weight, padding)


def conv_backward(dy, cache):
    x, weight, p = cache
    N, C, H, W = x.shape
    F, _, KH, KW = weight.shape
    xp = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
    dxp, dw = np.zeros(xp.shape), np.zeros(weight.shape)
    for i in range(dy.shape[2]):
        for j in range(dy.shape[3]):
            dxp[:, :, i : i + KH, j : j + KW] += np.tensordot(dy[:, :, i, j], weight, 1)
            dw += np.tensordot(dy[:, :, i, j].T, xp[:, :, i : i + KH, j : j + KW], 1)
    return dxp[:, :, p : p + H, p : p + W], dw, dy.sum(axis=(0, 2, 3))
