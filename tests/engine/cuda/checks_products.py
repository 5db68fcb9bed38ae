"""Products on the host against NumPy float64: for the tests, and for those of the tests by planted mistakes."""

import numpy as np
from cuda_emulation import Arena, oracle

from minires.engine.cuda import products
from minires.engine.cuda.launches import Window, pitch

# images, height, width, channels in and out, kernel, stride, pad, dilation, groups
CASES = {
    "3x3": (2, 5, 6, 3, 16, 3, 1, 1, 1, 1),
    "1x1 of stride 2, 130 channels": (1, 9, 7, 130, 36, 1, 2, 0, 1, 1),
    "3x3 of stride 2": (2, 8, 9, 12, 70, 3, 2, 1, 1, 1),
    "7x7 of stride 3": (1, 11, 12, 3, 20, 7, 3, 3, 1, 1),
    "5x5, one image, no border": (1, 6, 7, 9, 5, 5, 1, 0, 1, 1),
    "3x3, dilation 2, two groups": (2, 7, 7, 32, 48, 3, 1, 2, 2, 2),
    "3x3, stride 2, dilation 3": (1, 8, 8, 16, 16, 3, 2, 2, 3, 1),
    "4x4 of stride 3, wider than it": (1, 10, 9, 33, 17, 4, 3, 2, 1, 1),
    "linear": (37, 1, 1, 70, 10, 1, 1, 0, 1, 1),
    "many pixels": (3, 13, 11, 8, 130, 2, 1, 1, 1, 1),
}


def geometry(case):
    n, h, w, c, m, kernel, stride, pad, dilation, groups = CASES[case]
    windows = [Window.of(size, kernel, stride, pad, dilation) for size in (h, w)]
    return products.Geometry(n, c, m, groups, *windows)


class Numbers:
    """Random x, w, dy of one case as float64 that the precision stores exactly, and the arrays of the kernels."""

    def __init__(self, case, precision, run, seed=0):
        self.precision, self.run, self.rng, self.arena = precision, run, np.random.default_rng(seed), Arena()
        self.g = g = geometry(case)
        self.x = self.draw(g.images, g.h.size, g.w.size, g.in_channels)
        self.dy = self.draw(g.images, g.h.out, g.w.out, g.out_channels)
        w = self.rng.standard_normal((g.out_channels, g.in_channels // g.groups, g.h.kernel, g.w.kernel))
        self.weight = self.arena.array(w, np.float32)
        self.w = oracle.stored(w, precision) if precision == "bf16" else self.weight.astype(np.float64)
        self.dtype, self.tolerance = oracle.dtype(precision), oracle.TOLERANCE[precision]

    def draw(self, *shape):
        return oracle.stored(self.rng.standard_normal(shape), self.precision)

    def rows(self, x):
        return self.arena.array(oracle.rows(x, self.precision))

    def empty(self, like):
        return self.arena.array((*like.shape[:-1], pitch(like.shape[-1])), self.dtype)

    def packed(self):
        """The weights in both forms, by the kernel."""
        g = self.g
        forward, back = products.packed_sizes(g)
        room = self.arena.array((forward + back,), self.dtype)
        row = [0, forward, g.out_channels, g.in_channels // g.groups, g.taps, g.groups]
        table = self.arena.array(np.array([row], np.int32))
        at = self.arena.array(np.array([self.weight.ctypes.data], np.int64))
        self.run(products.pack(self.precision, at, room, table, max(forward, back)))
        return room[:forward], room[forward:]

    def compare(self, found, expected, tolerance=None):
        """Rows against float64, and the zeros behind them."""
        self.arena.check()
        found = oracle.from_stored(found)
        channels = expected.shape[-1]
        assert (found[..., channels:] == 0).all(), "numbers behind the last channel"
        oracle.close(found[..., :channels], expected, tolerance or self.tolerance)


def forward(run, case, precision, spoil=None):
    n = Numbers(case, precision, run)
    if spoil is not None:
        n.x[tuple(s // 2 for s in n.x.shape)] = spoil
    bias = n.arena.array(n.rng.standard_normal(n.g.out_channels), np.float32)
    expected = oracle.convolution(n.g, n.x, n.w) + bias
    y = n.empty(expected)
    count, rows = products.tiles(n.g)
    statistics = n.arena.array((count, 3, y.shape[-1]), np.float32)
    run(products.forward(precision, n.g, n.rows(n.x), n.packed()[0], y, bias, statistics))
    n.compare(y, expected)
    if spoil is None:
        _statistics(oracle.from_stored(y), statistics, rows)


def _statistics(y, statistics, rows):
    """Mean of each tile up to its rounding, with what is left, and the squares around it."""
    y = y.reshape(-1, y.shape[-1])
    for k, (mean, rest, squares) in enumerate(statistics.astype(np.float64)):
        part = y[k * rows : (k + 1) * rows]
        oracle.close(mean + rest / len(part), part.mean(axis=0), 1e-6)
        oracle.close(squares, ((part - mean) ** 2).sum(axis=0), 1e-6)


def backward(run, case, precision):
    n = Numbers(case, precision, run)
    expected = oracle.convolution_back(n.g, n.dy, n.w)
    dx, dy, weight = n.empty(expected), n.rows(n.dy), n.packed()[1]
    run(products.backward(precision, n.g, dy, weight, dx))
    n.compare(dx, expected)
    there = n.draw(*expected.shape)
    dx = n.rows(there)
    run(products.backward(precision, n.g, dy, weight, dx, adds=True))
    n.compare(dx, expected + there)


def weight_gradient(run, case, precision):
    n = Numbers(case, precision, run)
    g = n.g
    count, _, _ = products.slabs(g)
    parts = n.arena.array((count, g.taps, g.in_channels // g.groups, g.out_channels), np.float32)
    expected = oracle.convolution_weight(g, n.x, n.dy)
    there = n.rng.standard_normal(expected.shape).astype(np.float32)
    dweight = n.arena.array(there)
    run(*products.weight_gradient(precision, g, n.rows(n.x), n.rows(n.dy), parts, dweight))
    n.arena.check()
    oracle.close(dweight.astype(np.float64) - there, expected, n.tolerance)
