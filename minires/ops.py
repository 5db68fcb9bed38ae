"""Functions of arrays that layers share. Pure, no parameters, NumPy or CuPy in and out."""

import numpy as np

from .backend import xp_of
from .errors import ShapeError


def out_sizes(size, kernel, stride, padding, dilation=(1, 1), layer=None):
    """(H, W) -> (OH, OW), the number of window positions: floor((H + 2 P - D (K - 1) - 1) / S) + 1 along each axis."""
    out = []
    for axis, n, k, s, p, d in zip("HW", size, kernel, stride, padding, dilation):
        reach = d * (k - 1) + 1
        if n + 2 * p < reach:
            raise ShapeError(
                f"the window covers {reach} pixels along {axis}, the input has {n} (with padding {n + 2 * p}): "
                "use larger images, more padding or a smaller kernel",
                layer=layer,
            )
        out.append((n + 2 * p - reach) // s + 1)
    return tuple(out)


def pad_images(x, padding, value=0):
    """(N, C, H, W) -> (N, C, H + 2 PH, W + 2 PW), the border filled with ``value``; x itself where there is none.

    A padded copy lies in memory as (C, N, H, W): there a convolution is one matrix product without a transposition.
    """
    n, c, h, w = x.shape
    ph, pw = padding
    if not (ph or pw):
        return x
    padded = xp_of(x).full((c, n, h + 2 * ph, w + 2 * pw), value, dtype=x.dtype).transpose(1, 0, 2, 3)
    crop(padded, padding, (h, w))[...] = x
    return padded


def crop(x, padding, size):
    """The view of the (H, W) = ``size`` pixels inside the border that :func:`pad_images` adds."""
    (ph, pw), (h, w) = padding, size
    return x[:, :, ph : ph + h, pw : pw + w]


def windows(x, kernel, stride, dilation, out):
    """Yield ``(i, j, view)``: the pixel under entry (i, j) of the kernel, for all window positions.

    x: (N, C, H, W), padded   view: (N, C, OH, OW) with ``view[n, c, r, s] = x[n, c, r SH + i DH, s SW + j DW]``
    """
    (kh, kw), (sh, sw), (dh, dw), (oh, ow) = kernel, stride, dilation, out
    for i in range(kh):
        for j in range(kw):
            top, left = i * dh, j * dw
            yield i, j, x[:, :, top : top + sh * (oh - 1) + 1 : sh, left : left + sw * (ow - 1) + 1 : sw]


def im2col(x, kernel, stride, dilation, out):
    """(N, C, H, W), padded -> (C KH KW, N OH OW): one column per output pixel, the inputs that it sees."""
    n, c = x.shape[:2]
    col = xp_of(x).empty((c, *kernel, n, *out), dtype=x.dtype)
    for i, j, view in windows(x, kernel, stride, dilation, out):
        col[:, i, j] = view.transpose(1, 0, 2, 3)
    return col.reshape(c * kernel[0] * kernel[1], -1)


def col2im(col, shape, kernel, stride, dilation, out):
    """The transpose of :func:`im2col`: add every column back to the pixels it came from."""
    n, c, h, w = shape
    col = col.reshape(c, *kernel, n, *out)
    x = xp_of(col).zeros((c, n, h, w), dtype=col.dtype).transpose(1, 0, 2, 3)
    for i, j, view in windows(x, kernel, stride, dilation, out):
        view += col[:, i, j].transpose(1, 0, 2, 3)
    return x


def sigmoid(x):
    """1 / (1 + exp(-x)), without overflow: exp is only taken of numbers that are not positive."""
    xp = xp_of(x)
    positive = x.real >= 0
    e = xp.exp(xp.where(positive, -x, x))
    return xp.where(positive, 1, e) / (1 + e)


def log_softmax(logits):
    """log(exp(z_k) / sum_j exp(z_j)) along the last axis, without overflow. logits: (N, K)."""
    xp = xp_of(logits)
    with np.errstate(over="ignore"):  # logits further apart than the largest number: -inf is right
        z = logits - logits.real.max(axis=-1, keepdims=True)
    return z - xp.log(xp.exp(z).sum(axis=-1, keepdims=True))


def softmax(logits):
    """exp(z_k) / sum_j exp(z_j) along the last axis, without overflow. logits: (N, K)."""
    return xp_of(logits).exp(log_softmax(logits))


def one_hot(labels, num_classes, dtype):
    """(N,) integers -> (N, K): 1 where ``labels[n] == k``, else 0."""
    xp = xp_of(labels)
    return (labels[:, None] == xp.arange(num_classes)).astype(dtype)
