"""What the experiments on shattered gradients share: linear layers as they are drawn, and how alike gradients are."""

import math

import numpy as np

from ..layers import BatchNorm1d, Linear, ReLU, Residual, Scale, Sequential

WIDTH, EXAMPLES = 256, 128
STATISTICS = "constant"  # for the backward of batch norm: what one example does to the others is another matter


def branch(width, rng, *, norm=True, factor=1.0, bias=False):
    """factor He ReLU BN. x, y: (N, width)"""
    parts = {"bn": batch_norm(width)} if norm else {}
    parts |= {"relu": ReLU(), "linear": Linear(width, width, bias=bias, rng=rng)}
    return Sequential(**parts, **({"scale": Scale(factor)} if factor != 1 else {}))


def batch_norm(width):
    layer = BatchNorm1d(width, eps=1e-8)
    layer.statistics = STATISTICS
    return layer


def plain(depth, rng, *, width=WIDTH, norm=True, bias=False):
    return [branch(width, rng, norm=norm, bias=bias) for _ in range(depth)]


def residual(depth, rng, *, width=WIDTH, factor=1.0, keep=False):
    """keep: with every sum divided by sqrt(1 + factor^2), which keeps its variance"""
    blocks = []
    for _ in range(depth):
        blocks.append(Residual(branch(width, rng, factor=factor)))
        blocks += [Scale(1 / math.sqrt(1 + factor**2))] if keep else []
    return blocks


def gradients(model, x, dy):
    """d <dy, y> / dx of each example, in float64. x: (N, D)   dy: (M,)"""
    model.to(dtype="float64").freeze()
    y, cache = model.forward(x, train=True)
    return model.backward(np.tile(dy, (len(y), 1)), cache)


def likeness(g):
    """(mean product of two different rows of ``g`` / mean square of one, root mean square of an entry)"""
    square, n = (g * g).sum(), len(g)
    products = (g.sum(0) ** 2).sum() - square
    return float(products / (n - 1) / square), float(math.sqrt(square / g.size))


def likeness_by_depth(blocks, depths, draws, seed, lab, about, *, width=WIDTH, examples=EXAMPLES):
    """{"R": at each depth, "rms": the same}: the mean :func:`likeness` over ``draws`` networks.

    blocks(depth, rng, width=): the layers of a network
    """
    rows = []
    for depth in depths:
        found = []
        for draw in range(draws):
            rng = np.random.default_rng((seed, depth, draw))
            x, dy = rng.standard_normal((examples, width)), rng.standard_normal(width)
            found.append(likeness(gradients(Sequential(*blocks(depth, rng, width=width)), x, dy)))
        rows.append(np.mean(found, axis=0))
        lab.progress(f"{about}, depth {depth}")
    return {"R": [float(r) for r, _ in rows], "rms": [float(rms) for _, rms in rows]}


def slope(x, y):
    """Of the straight line through the points; NaN where one is NaN."""
    return float(np.polyfit(x, y, 1)[0]) if np.isfinite(y).all() else math.nan


def logarithm(values):
    """The natural one, NaN of what is not positive."""
    return np.array([math.log(v) if v > 0 else math.nan for v in values])


def on_a_line(blocks, width, rng, *, norm=True):
    """The network of a number: linear with N(0, 1), ``blocks``, (BN -) ReLU - linear. x, y: (N, 1)

    Without its biases in the first layer every kink would be at x = 0.
    """
    first = Linear(1, width, rng=rng)
    first.weight.data[...], first.bias.data[...] = rng.standard_normal((width, 1)), rng.standard_normal(width)
    last = [*([batch_norm(width)] if norm else []), ReLU(), Linear(width, 1, bias=False, rng=rng)]
    return Sequential(first, *blocks, *last)
