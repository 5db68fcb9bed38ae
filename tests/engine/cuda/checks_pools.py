"""Pools, gates and activations on the host against the layers in float64."""

import numpy as np
from cuda_emulation import Arena, oracle

from minires.engine.cuda import pools
from minires.engine.cuda.launches import Window, pitch
from minires.layers import AvgPool2d, MaxPool2d

# images, height, width, channels, kernel, stride, padding, dilation, ceil_mode, count_include_pad
POOLS = {
    "2x2": (2, 6, 4, 16, 2, 2, 0, 1, False, True),
    "3x3 of stride 2, border 1": (2, 7, 8, 3, 3, 2, 1, 1, False, True),
    "3x3 of stride 1, without the border": (1, 5, 6, 9, 3, 1, 1, 1, False, False),
    "ceil, uneven border": (1, 6, 7, 130, 3, 2, ((0, 1), (1, 0)), 1, True, True),
    "ceil, without the border": (2, 6, 6, 12, 3, 2, ((0, 1), (0, 1)), 1, True, False),
    "5x5 of stride 3, dilation 2": (1, 11, 12, 8, 5, 3, 2, 2, False, True),
}


class Numbers:
    def __init__(self, precision, run, seed=0):
        self.precision, self.run, self.rng, self.arena = precision, run, np.random.default_rng(seed), Arena()
        self.dtype = oracle.dtype(precision)
        self.tolerance = oracle.TOLERANCE["bf16" if precision == "bf16" else "float32"]

    def draw(self, *shape, ties=False):
        x = self.rng.standard_normal(shape)
        return oracle.stored(np.round(2 * x) / 2 if ties else x, self.precision)

    def rows(self, x):
        return self.arena.array(oracle.rows(x, self.precision))

    def empty(self, *shape):
        return self.arena.array((*shape[:-1], pitch(shape[-1])), self.dtype)

    def compare(self, found, expected, tolerance=None):
        self.arena.check()
        found = oracle.from_stored(found)
        assert (found[..., expected.shape[-1] :] == 0).all(), "numbers behind the last channel"
        oracle.close(found[..., : expected.shape[-1]], expected, tolerance or self.tolerance)


def nchw(x):
    return x.transpose(0, 3, 1, 2)


def nhwc(x):
    return x.transpose(0, 2, 3, 1)


def _pool(case, dilation):
    n, h, w, c, kernel, stride, padding, _, ceil, include = POOLS[case]
    sides = padding if isinstance(padding, tuple) else ((padding, padding),) * 2
    if dilation is None:
        layer = AvgPool2d(kernel, stride=stride, padding=padding, ceil_mode=ceil, count_include_pad=include)
    else:
        layer = MaxPool2d(kernel, stride=stride, padding=padding, dilation=dilation, ceil_mode=ceil)
    out = layer._out_sizes((h, w))
    windows = [Window(s, o, kernel, stride, before, dilation or 1) for s, o, (before, _) in zip((h, w), out, sides)]
    return layer, pools.Pool(n, c, *windows, include, (sides[0][1], sides[1][1])), (n, h, w, c), (n, *out, c)


def maximum(run, precision, case):
    n = Numbers(precision, run)
    layer, g, shape, out = _pool(case, POOLS[case][7])
    x, dy = n.draw(*shape, ties=True), n.draw(*out)
    y, winner = n.empty(*out), n.arena.array((*out[:3], pitch(out[3])), np.uint8)
    run(pools.maximum(precision, g, y, winner, n.rows(x)))
    expected, cache = layer.forward(nchw(x))
    n.compare(y, nhwc(expected), 1e-12)
    _backward(n, lambda *a: pools.maximum_back(precision, g, *a[:2], winner, a[2]), dy, layer, cache, shape)


def mean(run, precision, case):
    n = Numbers(precision, run)
    layer, g, shape, out = _pool(case, None)
    x, dy, y = n.draw(*shape), n.draw(*out), n.empty(*out)
    run(pools.mean(precision, g, y, n.rows(x)))
    expected, cache = layer.forward(nchw(x))
    n.compare(y, nhwc(expected))
    _backward(n, lambda *a: pools.mean_back(precision, g, *a), dy, layer, cache, shape)


def _backward(n, launch, dy, layer, cache, shape):
    """dx alone, and added to what is there."""
    there = n.draw(*shape)
    for adds in (False, True):
        dx = n.rows(there)
        n.run(launch(dx, n.rows(dy), adds))
        n.compare(dx, nhwc(layer.backward(nchw(dy), cache)) + adds * there)


def global_mean(run, precision):
    for shape in ((3, 5, 7, 130), (1, 1, 1, 3), (2, 20, 20, 24)):
        n = Numbers(precision, run)
        images, pixels, channels = shape[0], shape[1] * shape[2], shape[3]
        x, f, s, there = n.draw(*shape), n.draw(*shape), n.draw(images, channels), n.draw(*shape)
        y, z = n.empty(images, channels), n.empty(images, channels)
        X, S, size = n.rows(x), n.rows(s), (images, pixels, channels)
        run(pools.image_mean(precision, *size, y, X), pools.image_mean(precision, *size, z, X, n.rows(f)))
        n.compare(y, x.mean(axis=(1, 2)))
        n.compare(z, (x * f).sum(axis=(1, 2)))
        for adds in (False, True):
            dx, y = n.rows(there), n.rows(there)
            run(pools.image_mean_back(precision, *size, dx, S, adds), pools.scale(precision, *size, y, X, S, adds))
            n.compare(dx, s[:, None, None] / pixels + adds * there)
            n.compare(y, s[:, None, None] * x + adds * there)


def gates(run, precision):
    for exclusive in (True, False):
        n = Numbers(precision, run)
        x, f, t, dy = (n.draw(53, 36) for _ in range(4))
        y, held = n.empty(53, 36), [n.rows(v) for v in (x, f, t)]
        run(pools.gate(precision, 53, 36, y, *held, exclusive))
        n.compare(y, (t * f if exclusive else f) + (1 - t) * x)
        expected = (1 - t) * dy, t * dy if exclusive else dy, (f - x if exclusive else -x) * dy
        there = [n.draw(53, 36) for _ in range(3)]
        for adds in ((0, 0, 0), (1, 0, 0), (0, 1, 1)):
            gradients = [n.rows(v) for v in there]
            run(pools.gate_back(precision, 53, 36, gradients, adds, n.rows(dy), *held, exclusive))
            for found, right, base, add in zip(gradients, expected, there, adds):
                n.compare(found, right + add * base)


def activation(run, precision, kind, layer, slope):
    n = Numbers(precision, run)
    x, dy, there = 3 * n.draw(53, 20), n.draw(53, 20), n.draw(53, 20)
    x[0, :4] = 0, 3, -3, 6
    x = oracle.stored(x, precision)
    y, X = n.empty(53, 20), n.rows(x)
    run(pools.activate(precision, 53, 20, y, X, kind, slope))
    expected, cache = layer.forward(x)
    n.compare(y, expected)
    for adds in (False, True):
        dx = n.rows(there)
        run(pools.activate_back(precision, 53, 20, dx, n.rows(dy), X, kind, slope, adds))
        n.compare(dx, layer.backward(dy, cache) + adds * there)
