"""Pooling: the largest or the mean value under a sliding window."""

import math
from typing import Any

import numpy as np

from ..backend import Array, xp_of
from ..errors import RangeError, ShapeError
from ..ops import crop, gated, out_sizes, pad_images, padded_sizes, sides, windows
from .base import Layer
from .checks import Border, Pair, as_gradient, as_input, border, pair


class _Pool2d(Layer):
    """The settings that pooling layers share; ``stride`` defaults to the kernel, as windows side by side.

    ``padding`` is an integer, (rows, columns) or ((top, bottom), (left, right)). With ``ceil_mode`` OH is rounded up,
    not down: the last windows may reach beyond the border, but each begins in the image or in the border before it.
    """

    def __init__(
        self, kernel: Pair, *, stride: Pair | None, padding: Border, dilation: Pair | None = None, ceil_mode: bool
    ) -> None:
        self.kernel = pair(self, kernel=kernel)
        self.stride = self.kernel if stride is None else pair(self, stride=stride)
        self.padding = border(self, padding)
        if dilation is not None:
            self.dilation = pair(self, dilation=dilation)
        self.ceil_mode = ceil_mode
        if any(max(p) >= reach for p, reach in zip(sides(self.padding), self._reach())):
            raise RangeError(
                f"padding is {self.padding}, expected less than what the kernel covers, {self._reach()}: "
                "the first or the last window would see no pixel",
                type(self).__name__,
            )

    def _reach(self):
        """How many pixels a window covers along each axis."""
        return tuple(d * (k - 1) + 1 for d, k in zip(self.dilation, self.kernel))

    def _out_sizes(self, size):
        out = self._ceil_sizes(size) if self.ceil_mode else (0, 0)
        if min(out) < 1:
            out = out_sizes(size, self.kernel, self.stride, self.padding, self.dilation, type(self).__name__)
        for axis, n, o, d, s, (p, _) in zip("HW", size, out, self.dilation, self.stride, sides(self.padding)):
            if d > n and any((begin - p) % d >= n for begin in range(0, min(p, s * o), s)):
                raise ShapeError(
                    f"a window that begins in the border passes over the {n} pixels along {axis} by dilation {d}, "
                    "expected one that sees a pixel: use less dilation or padding",
                    type(self).__name__,
                )
        return out

    def _ceil_sizes(self, size):
        """ceil((H + 2 P - K) / S) + 1 along each axis, less the last window if it would begin behind the image."""
        out = []
        for n, reach, s, (before, behind) in zip(size, self._reach(), self.stride, sides(self.padding)):
            o = -(-(before + n + behind - reach) // s) + 1
            out.append(o - (s * (o - 1) >= before + n))
        return tuple(out)

    def _pad(self, x, out, value=0):
        """x in its border, and what windows of ``ceil_mode`` reach beyond it."""
        return self._beyond(pad_images(x, self.padding, value), out, value)

    def _beyond(self, x, out, value=0):
        """x with the rows and columns behind it that windows of ``ceil_mode`` reach."""
        n, c, h, w = x.shape
        reach = [s * (o - 1) + k for s, o, k in zip(self.stride, out, self._reach())]
        if reach[0] <= h and reach[1] <= w:
            return x
        wider = xp_of(x).full((c, n, max(reach[0], h), max(reach[1], w)), value, dtype=x.dtype).transpose(1, 0, 2, 3)
        wider[:, :, :h, :w] = x
        return wider

    def _windows(self, x, out):
        """Yield (k, view): the pixel at place k = 0, 1, ... of the window, for all windows of the padded x."""
        for k, (_, _, view) in enumerate(windows(x, self.kernel, self.stride, self.dilation, out)):
            yield k, view


class MaxPool2d(_Pool2d):
    """The largest value under each window; the border counts as minus infinity.

    x: (N, C, H, W)   y: (N, C, OH, OW)   OH = floor((H + 2 PH - DH (KH - 1) - 1) / SH) + 1

        y[n, c, r, s] = max_k x[window (r, s), place k]        dx[winner of (r, s)] += dy[n, c, r, s]

    The winner takes the whole gradient; of equal values the first one in the window wins, row by row.
    The KH KW places of a window are ``dilation`` pixels apart.
    """

    def __init__(
        self,
        kernel: Pair,
        *,
        stride: Pair | None = None,
        padding: Border = 0,
        dilation: Pair = 1,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__(kernel, stride=stride, padding=padding, dilation=dilation, ceil_mode=ceil_mode)

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Any]:
        x = as_input(self, x, "NCHW")
        size = x.shape[2:]
        out = self._out_sizes(size)
        xp = xp_of(x)
        x = self._pad(x, out, -math.inf)
        views = self._windows(x, out)
        _, y = next(views)
        winner = xp.broadcast_to(self._first_pixels(xp, out), y.shape)
        for k, value in views:
            larger = (value.real > y.real) | (value != value)  # NaN wins, so that it is seen
            y = xp.where(larger, value, y)
            winner = xp.where(larger, np.int32(k), winner)
        return y, (winner, x.shape, size)

    def backward(self, dy: Array, cache: Any) -> Array:
        winner, shape, size = cache
        dy = as_gradient(self, dy, winner.shape)
        dx = xp_of(dy).zeros(shape, dtype=dy.dtype)
        for k, view in self._windows(dx, winner.shape[2:]):
            view += gated(dy, winner == k)
        return crop(dx, self.padding, size)

    def _first_pixels(self, xp, out):
        """(OH, OW): the place of each window that lies on its first pixel, not on the border before the image."""
        settings = zip(out, self.stride, self.dilation, sides(self.padding))
        begins = ((s * xp.arange(o, dtype=np.int32) - before, d) for o, s, d, (before, _) in settings)
        rows, columns = (xp.maximum(-(begin // d), 0) for begin, d in begins)
        return rows[:, None] * np.int32(self.kernel[1]) + columns


class AvgPool2d(_Pool2d):
    """The mean under each window.

    x: (N, C, H, W)   y: (N, C, OH, OW)   OH = floor((H + 2 PH - KH) / SH) + 1

        y[n, c, r, s] = (sum_k x[window (r, s), place k]) / count[r, s]
        dx[every pixel of (r, s)] += dy[n, c, r, s] / count[r, s]

    The border counts as zeros. ``count`` is KH KW, or with ``count_include_pad=False`` the number of pixels
    under the window that are not border; what lies beyond the border in ``ceil_mode`` is not counted.
    """

    dilation = (1, 1)

    def __init__(
        self,
        kernel: Pair,
        *,
        stride: Pair | None = None,
        padding: Border = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__(kernel, stride=stride, padding=padding, ceil_mode=ceil_mode)
        self.count_include_pad = count_include_pad

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Any]:
        x = as_input(self, x, "NCHW")
        size = x.shape[2:]
        out = self._out_sizes(size)
        x = self._pad(x, out)
        total = sum(view for _, view in self._windows(x, out))
        count = self._count(x, size, out)
        return total / count, (count, x.shape, size)

    def backward(self, dy: Array, cache: Any) -> Array:
        count, shape, size = cache
        (n, c), (oh, ow) = shape[:2], count.shape
        share = as_gradient(self, dy, (n, c, oh, ow), like=count) / count
        dx = xp_of(share).zeros(shape, dtype=share.dtype)
        for _, view in self._windows(dx, (oh, ow)):
            view += share
        return crop(dx, self.padding, size)

    def _count(self, x, size, out):
        """(OH, OW): by how many pixels the sum of each window is divided."""
        xp = xp_of(x)
        if self.count_include_pad and not self.ceil_mode:
            return xp.full(out, self.kernel[0] * self.kernel[1], dtype=x.real.dtype)
        if self.count_include_pad:
            ones = xp.ones((1, 1, *padded_sizes(size, self.padding)), dtype=x.real.dtype)
        else:
            ones = pad_images(xp.ones((1, 1, *size), dtype=x.real.dtype), self.padding)
        return sum(view for _, view in self._windows(self._beyond(ones, out), out))[0, 0]


class GlobalAvgPool2d(Layer):
    """The mean of each channel: (N, C, H, W) -> (N, C, 1, 1).   dx[n, c, :, :] = dy[n, c, 0, 0] / (H W).

    Lin et al. 2014, "Network In Network", section 3.2.
    """

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Any]:
        x = as_input(self, x, "NCHW")
        return x.mean(axis=(2, 3), keepdims=True), x.shape

    def backward(self, dy: Array, cache: Any) -> Array:
        n, c, h, w = cache
        dy = as_gradient(self, dy, (n, c, 1, 1))
        return xp_of(dy).broadcast_to(dy / (h * w), cache).copy()  # a view would have pixels that share memory


class AdaptiveAvgPool2d(Layer):
    """As many windows as asked for, whatever the image size: (N, C, H, W) -> (N, C, OH, OW), ``size`` = (OH, OW).

    Window r has the rows floor(r H / OH) to ceil((r + 1) H / OH) - 1, columns likewise; neighbours may overlap, and
    pixels repeat where OH > H. With R (OH, H) and S (OW, W) that hold 1 / length in each window, for every image:

        y = R x S^T        dx = R^T dy S

    One window is :class:`GlobalAvgPool2d`. He et al. 2014, "Spatial Pyramid Pooling", section 2.3.
    """

    def __init__(self, size: Pair) -> None:
        self.size = pair(self, size=size)

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Any]:
        x = as_input(self, x, "NCHW")
        rows, columns = (_means(x, n, o) for n, o in zip(x.shape[2:], self.size))
        return rows @ x @ columns.T, (rows, columns, x.shape)

    def backward(self, dy: Array, cache: Any) -> Array:
        rows, columns, (n, c, _, _) = cache
        return rows.T @ as_gradient(self, dy, (n, c, *self.size), like=rows) @ columns


def _means(x, n, windows):
    """(windows, n): row r holds 1 / length for the pixels of window r, else 0, beside x in type and place."""
    xp = xp_of(x)
    r, pixel = xp.arange(windows)[:, None], xp.arange(n)
    under = (pixel >= r * n // windows) & (pixel < -(-(r + 1) * n // windows))
    return under.astype(x.real.dtype) / under.sum(axis=1, keepdims=True).astype(x.real.dtype)
