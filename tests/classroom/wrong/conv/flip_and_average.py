# expect: Conv2d.WeightGradientFlipped, Conv2d.WeightGradientAveraged
import numpy as np


def conv_forward(x, w, b, pad):
    N, C, H, W = x.shape
    F, _, HH, WW = w.shape
    xp = np.zeros((N, C, H + 2 * pad, W + 2 * pad))
    xp[:, :, pad : pad + H, pad : pad + W] = x
    Ho, Wo = xp.shape[2] - HH + 1, xp.shape[3] - WW + 1
    out = np.zeros((N, F, Ho, Wo))
    for n in range(N):
        for f in range(F):
            for i in range(Ho):
                for j in range(Wo):
                    out[n, f, i, j] = np.sum(xp[n, :, i : i + HH, j : j + WW] * w[f]) + b[f]
    return out, (x, w, xp, pad)


def conv_backward(dout, cache):
    x, w, xp, pad = cache
    N, C, H, W = x.shape
    F, _, HH, WW = w.shape
    dxp = np.zeros_like(xp)
    dw = np.zeros(w.shape)
    for n in range(N):
        for f in range(F):
            for i in range(dout.shape[2]):
                for j in range(dout.shape[3]):
                    dxp[n, :, i : i + HH, j : j + WW] += w[f] * dout[n, f, i, j]
                    dw[f] += xp[n, :, i : i + HH, j : j + WW] * dout[n, f, i, j]
    db = dout.sum(axis=(0, 2, 3))
    return dxp[:, :, pad : pad + H, pad : pad + W], dw[:, :, ::-1, ::-1] / N, db
