# right
import numpy as np


def conv_forward(x, weight, bias, padding):
    p = padding
    xp = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
    view = np.lib.stride_tricks.sliding_window_view(xp, weight.shape[2:], axis=(2, 3))
    y = np.tensordot(view, weight, axes=([1, 4, 5], [1, 2, 3])).transpose(0, 3, 1, 2)
    return y + bias[:, None, None], (x, weight, xp, p)


def conv_backward(dy, cache):
    x, weight, xp, p = cache
    kh, kw = weight.shape[2:]
    views = np.lib.stride_tricks.sliding_window_view(xp, dy.shape[2:], axis=(2, 3))
    dweight = np.einsum("nfij,ncklij->fckl", dy, views)
    full = np.pad(dy, ((0, 0), (0, 0), (kh - 1, kh - 1), (kw - 1, kw - 1)))
    views = np.lib.stride_tricks.sliding_window_view(full, (kh, kw), axis=(2, 3))
    dxp = np.einsum("nfhwij,fcij->nchw", views, weight[:, :, ::-1, ::-1])
    h, w = x.shape[2:]
    return dxp[:, :, p : p + h, p : p + w], dweight, dy.sum((0, 2, 3))
