# expect: Conv2d.WeightGradientTransposed
import numpy as np


def conv_forward(x, weight, bias, padding):
    x_pad = np.pad(x, [(0, 0), (0, 0), (padding,) * 2, (padding,) * 2])
    kh, kw = weight.shape[2:]
    oh, ow = x_pad.shape[2] - kh + 1, x_pad.shape[3] - kw + 1
    out = 0
    for a in range(kh):
        for c in range(kw):
            out = out + np.einsum("ncij,fc->nfij", x_pad[:, :, a : a + oh, c : c + ow], weight[:, :, a, c])
    return out + bias.reshape(1, -1, 1, 1), (x, weight, x_pad, padding)


def conv_backward(dy, cache):
    x, w, xp, p = cache
    oh, ow = dy.shape[2:]
    back, grad = np.zeros(xp.shape), np.zeros(w.shape)
    for a in range(w.shape[2]):
        for c in range(w.shape[3]):
            grad[:, :, c, a] = np.einsum('nfij,ncij->fc', dy, xp[:, :, a : a + oh, c : c + ow])
            back[:, :, a : a + oh, c : c + ow] += np.einsum('nfij,fc->ncij', dy, w[:, :, a, c])
    height, width = x.shape[2:]
    return back[:, :, p : p + height, p : p + width], grad, np.einsum('nfij->f', dy)
