# expect: Conv2d.RowsNotTransposed
import numpy as np


def columns(x, kh, kw, p):
    xp = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
    view = np.lib.stride_tricks.sliding_window_view(xp, (kh, kw), axis=(2, 3))  # N C OH OW KH KW
    return view.transpose(1, 4, 5, 0, 2, 3).reshape(x.shape[1] * kh * kw, -1), view.shape[2:4]


def image(col, shape, kh, kw, p, out):
    n, c, h, w = shape
    dxp = np.zeros((n, c, h + 2 * p, w + 2 * p))
    col = col.reshape(c, kh, kw, n, *out)
    for i in range(kh):
        for j in range(kw):
            dxp[:, :, i : i + out[0], j : j + out[1]] += col[:, i, j].transpose(1, 0, 2, 3)
    return dxp[:, :, p : p + h, p : p + w]


def conv_forward(x, weight, bias, padding):
    kh, kw = weight.shape[2:]
    col, out = columns(x, kh, kw, padding)
    flat = weight.reshape(len(weight), -1) @ col
    y = flat.reshape(len(x), len(weight), *out) + bias[:, None, None]
    return y, (x.shape, col, weight, padding, out)


def conv_backward(dy, cache):
    shape, col, weight, padding, out = cache
    m, kh, kw = len(weight), *weight.shape[2:]
    rows = dy.transpose(1, 0, 2, 3).reshape(m, -1)
    dweight = (rows @ col.T).reshape(weight.shape)
    dcol = weight.reshape(m, -1).T @ rows
    return image(dcol, shape, kh, kw, padding, out), dweight, dy.sum(axis=(0, 2, 3))
