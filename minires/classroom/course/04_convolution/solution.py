"""A convolution is a matrix product, once each window has become a column."""

import numpy as np


def conv_forward(x, weight, bias, padding):
    """y[n, m, i, j] = b[m] + sum over c, k, l of weight[m, c, k, l] xp[n, c, i + k, j + l]

    x: (N, C, H, W)   weight: (M, C, KH, KW)   bias: (M,)   padding: width of the border   returns (y, cache)
    xp: x with a border of zeros
    """
    border = (padding, padding)
    padded = np.pad(x, ((0, 0), (0, 0), border, border))
    kh, kw = weight.shape[2:]
    windows = np.lib.stride_tricks.sliding_window_view(padded, (kh, kw), axis=(2, 3))
    y = np.einsum("ncijkl,mckl->nmij", windows, weight) + bias[:, None, None]
    return y, (padded, weight, padding)


def conv_backward(dy, cache):
    """dy: (N, M, OH, OW)   returns (dx, dweight, dbias), in the shapes of x, weight and bias"""
    padded, weight, padding = cache
    (kh, kw), (oh, ow) = weight.shape[2:], dy.shape[2:]
    windows = np.lib.stride_tricks.sliding_window_view(padded, (kh, kw), axis=(2, 3))
    dweight = np.einsum("nmij,ncijkl->mckl", dy, windows)
    dpadded = np.zeros_like(padded)
    for k in range(kh):
        for l in range(kw):
            dpadded[:, :, k : k + oh, l : l + ow] += np.einsum("nmij,mc->ncij", dy, weight[:, :, k, l])
    h, w = padded.shape[2] - 2 * padding, padded.shape[3] - 2 * padding
    return dpadded[:, :, padding : padding + h, padding : padding + w], dweight, dy.sum(axis=(0, 2, 3))
