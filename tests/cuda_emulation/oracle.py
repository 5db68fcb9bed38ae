"""The kernels' equations in NumPy float64, and arrays as the kernels hold them."""

import numpy as np

from minires.engine.cuda.launches import pitch

TOLERANCE = {"float32": 2e-6, "tf32": 1e-3, "bf16": 1e-2}


def to_bf16(x):
    """The nearest bf16 as uint16, of float32."""
    bits = np.asarray(x, np.float32).view(np.uint32)
    rounded = ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)
    return np.where(np.isnan(x), np.uint16(0x7FFF), rounded)


def from_stored(x):
    """float64 of stored numbers: float32, or uint16 that hold bf16."""
    if x.dtype == np.uint16:
        return (x.astype(np.uint32) << 16).view(np.float32).astype(np.float64)
    return x.astype(np.float64)


def rows(x, precision):
    """(..., C) in rows of pitch(C) with zeros behind, as stored."""
    wide = np.zeros((*x.shape[:-1], pitch(x.shape[-1])), np.float32)
    wide[..., : x.shape[-1]] = x
    return to_bf16(wide) if precision == "bf16" else wide


def stored(x, precision):
    """x rounded as it is stored, float64."""
    return from_stored(rows(x, precision))[..., : x.shape[-1]]


def dtype(precision):
    return np.uint16 if precision == "bf16" else np.float32


def close(found, expected, tolerance):
    """The relative error in the norm over the finite numbers; the others must stand in the same places."""
    found, finite = np.asarray(found, np.float64), np.isfinite(expected)
    assert found.shape == expected.shape, (found.shape, expected.shape)
    assert np.array_equal(np.isfinite(found), finite), "other places with NaN or infinity"
    a, b = found[finite], expected[finite]
    error = np.linalg.norm(a - b) / max(np.linalg.norm(b), 1e-30)
    assert error <= tolerance, f"relative error {error:.1e}, at most {tolerance}"


def _places(g, i, j):
    """Per axis: (pixels of y, pixels of x) that tap (i, j) joins."""
    found = []
    for axis, tap in ((g.h, i), (g.w, j)):
        out = np.arange(axis.out)
        at = out * axis.stride + tap * axis.dilation - axis.pad
        inside = (at >= 0) & (at < axis.size)
        found.append((out[inside], at[inside]))
    return found


def _taps(g):
    for i in range(g.h.kernel):
        for j in range(g.w.kernel):
            (r, h), (s, w) = _places(g, i, j)
            yield i, j, np.ix_(range(g.images), r, s), np.ix_(range(g.images), h, w)


def convolution(g, x, w):
    """x (N, H, W, C), w (M, C / groups, KH, KW) -> (N, OH, OW, M)."""
    y = np.zeros((g.images, g.h.out, g.w.out, g.out_channels))
    with np.errstate(invalid="ignore"):
        for i, j, out, into in _taps(g):
            for a, b in _groups(g):
                y[..., b][out] += x[..., a][into] @ w[b, :, i, j].T
    return y


def convolution_back(g, dy, w):
    dx = np.zeros((g.images, g.h.size, g.w.size, g.in_channels))
    with np.errstate(invalid="ignore"):
        for i, j, out, into in _taps(g):
            for a, b in _groups(g):
                dx[..., a][into] += dy[..., b][out] @ w[b, :, i, j]
    return dx


def convolution_weight(g, x, dy):
    dw = np.zeros((g.out_channels, g.in_channels // g.groups, g.h.kernel, g.w.kernel))
    for i, j, out, into in _taps(g):
        for a, b in _groups(g):
            dw[b, :, i, j] += np.einsum("nhwc,nhwm->mc", x[..., a][into], dy[..., b][out])
    return dw


def _groups(g):
    """Slices of the channels of x and y."""
    c, m = g.in_channels // g.groups, g.out_channels // g.groups
    return [(slice(k * c, k * c + c), slice(k * m, k * m + m)) for k in range(g.groups)]
