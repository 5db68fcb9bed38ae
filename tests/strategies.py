"""Hypothesis strategies: small layers with random settings and parameters, and an input that suits each.

Every strategy of LAYERS gives a pair ``(layer, x)`` in float64.
"""

import numpy as np
from hypothesis import strategies as st
from oracles import randomise

from minires import layers as L
from minires.layers.runge_kutta import METHODS
from minires.losses import MeanSquaredError, Objective, SoftmaxCrossEntropy
from minires.ops import sides

seeds = st.integers(0, 2**32 - 1)
few = st.integers(1, 3)


def _pair(values):
    return st.tuples(values, values)


def _padding(*most):
    """A setting of padding, alike on both sides or not, at most ``most`` along each axis."""
    rows, columns = (st.integers(0, p) for p in (most if len(most) == 2 else 2 * most))
    return st.tuples(rows | _pair(rows), columns | _pair(columns))


def _finish(draw, layer, shape):
    rng = np.random.default_rng(draw(seeds))
    return randomise(layer, rng), rng.normal(size=shape)


@st.composite
def linear(draw):
    layer = L.Linear(draw(st.integers(1, 5)), draw(few), bias=draw(st.booleans()), rng=0)
    return _finish(draw, layer, (draw(few), layer.in_features))


@st.composite
def conv2d(draw, depthwise=False):
    """Stride, padding, dilation and groups up to depthwise; the kernel covers at least one window position."""
    groups = draw(few)
    in_channels = groups * (1 if depthwise else draw(st.integers(1, 2)))
    layer = L.Conv2d(
        in_channels,
        groups * draw(st.integers(1, 2)),
        draw(_pair(few)),
        stride=draw(_pair(few)),
        padding=draw(_padding(2)),
        dilation=draw(_pair(st.integers(1, 2))),
        groups=groups,
        bias=draw(st.booleans()),
        rng=0,
    )
    padding = sides(layer.padding)
    reach = [d * (k - 1) + 1 - sum(p) for k, p, d in zip(layer.kernel, padding, layer.dilation)]
    size = [draw(st.integers(max(1, least), max(1, least) + 3)) for least in reach]
    return _finish(draw, layer, (draw(st.integers(1, 2)), in_channels, *size))


@st.composite
def _pool(draw, kind, **settings):
    kernel, settings = draw(_pair(few)), {k: draw(v) for k, v in settings.items()}
    reach = [d * (k - 1) + 1 for d, k in zip(settings.get("dilation", (1, 1)), kernel)]
    padding, stride = draw(_padding(*(r - 1 for r in reach))), draw(st.none() | _pair(few))
    layer = kind(kernel, stride=stride, padding=padding, **settings)
    size = [draw(st.integers(r, r + 3)) for r in reach]
    layer, x = _finish(draw, layer, (draw(st.integers(1, 2)), draw(st.integers(1, 2)), *size))
    return layer, np.round(x) if draw(st.booleans()) else x  # rounded inputs have ties


def max_pool2d():
    return _pool(L.MaxPool2d, ceil_mode=st.booleans(), dilation=_pair(st.integers(1, 2)))


def avg_pool2d():
    return _pool(L.AvgPool2d, ceil_mode=st.booleans(), count_include_pad=st.booleans())


@st.composite
def slice_channels(draw):
    start, width = draw(st.integers(0, 2)), draw(few)
    layer = L.SliceChannels(start, start + width)
    return _finish(draw, layer, (draw(few), layer.stop + draw(st.integers(0, 2)), draw(few), draw(few)))


epsilons = st.sampled_from([1e-5, 1e-3, 0.1])


@st.composite
def batch_norm(draw, kind):
    """At least four values per channel: with two, x_hat is -1 and 1 whatever x is, and dx is all rounding."""
    layer = kind(draw(few), momentum=draw(st.sampled_from([0.1, 0.01, 0.7, 1.0])), eps=draw(epsilons))
    size = () if kind is L.BatchNorm1d else (draw(few), draw(few))
    return _finish(draw, layer, (draw(st.integers(4, 6)), layer.channels, *size))


@st.composite
def group_norm(draw):
    groups, width = draw(few), draw(st.integers(1, 2))
    layer = L.GroupNorm(groups, groups * width, eps=draw(epsilons))
    return _finish(draw, layer, (draw(st.integers(1, 2)), groups * width, 2, draw(st.integers(2, 3))))


@st.composite
def layer_norm(draw):
    shape = (*draw(st.lists(few, max_size=2)), draw(st.integers(2, 3)))
    layer = L.LayerNorm(shape if len(shape) > 1 or draw(st.booleans()) else shape[0], eps=draw(epsilons))
    return _finish(draw, layer, (*draw(st.lists(few, min_size=1, max_size=2)), *shape))


@st.composite
def prelu(draw):
    """One slope, or one a channel."""
    shape = draw(st.lists(few, min_size=2, max_size=4))
    return _finish(draw, L.PReLU(draw(st.sampled_from([1, shape[1]]))), shape)


@st.composite
def entrywise(draw, make):
    """A layer for any shape, of one to four axes."""
    return _finish(draw, make(draw), draw(st.lists(few, min_size=1, max_size=4)))


@st.composite
def images(draw, make):
    """A layer for images of any size."""
    return _finish(draw, make(draw), (draw(few), draw(few), draw(st.integers(1, 5)), draw(st.integers(1, 5))))


def _branch(draw, channels, last):
    """A branch that keeps the shape of images: conv, normalisation and an activation."""
    norm = draw(st.sampled_from([L.BatchNorm2d(channels), L.GroupNorm(1, channels)]))
    return L.Sequential(conv=L.Conv2d(channels, channels, 3, padding=1, rng=0), norm=norm, last=last)


@st.composite
def containers(draw, kind):
    c = draw(st.integers(1, 2))
    branch = _branch(draw, c, draw(st.sampled_from([L.ReLU(), L.Tanh(), L.SiLU()])))
    if kind is L.Sequential:
        layer = L.Sequential(branch, L.Flatten())
    elif kind is L.Residual:
        layer = L.Residual(branch, draw(st.sampled_from([None, L.Scale(0.5), L.Conv2d(c, c, 1, rng=0)])))
    elif kind is L.Concat:
        layer = L.Concat(shortcut=L.Identity(), narrow=L.Conv2d(c, 1, 1, rng=0), branch=branch)
    elif kind is L.Res2:
        s = draw(st.integers(2, 4))
        functions = [_branch(draw, c, draw(st.sampled_from([L.ReLU(), L.Tanh()]))) for _ in range(s - 1)]
        return _finish(draw, L.Res2(*functions), (2, s * c, draw(st.integers(2, 3)), 2))
    elif kind is L.RungeKutta:
        method = draw(st.sampled_from(list(METHODS)))
        layer = L.RungeKutta(method, *(_branch(draw, c, L.Tanh()) for _ in METHODS[method][1]))
    elif kind is L.SqueezeExcite:
        squeeze = L.Sequential(L.GlobalAvgPool2d(), L.Conv2d(c, c, 1, bias=draw(st.booleans()), rng=0), L.Sigmoid())
        layer = L.SqueezeExcite(squeeze)
    else:
        gate = L.Sequential(L.Conv2d(c, c, 1, bias=True, rng=0), L.Sigmoid())
        layer = L.Gate(branch, gate, exclusive=draw(st.booleans()))
    return _finish(draw, layer, (2, c, draw(st.integers(2, 3)), draw(st.integers(2, 3))))


def cross_entropy(draw, n, k, rng):
    """(loss, labels): smoothing, weights of classes (zeros too), rows left out, labels of classes or targets."""
    labels = rng.random((n, k)) if draw(st.booleans()) else rng.integers(0, k, n)
    weight = draw(st.none() | st.lists(st.sampled_from([0.5, 1.0, 3.0]), min_size=k, max_size=k))
    ignore_index = draw(st.sampled_from([None, -100, 0]))
    if ignore_index == -100 and labels.ndim == 1:
        labels[rng.random(n) < 0.3] = -100
    return SoftmaxCrossEntropy(draw(st.sampled_from([0.0, 0.1, 0.5, 0.9])), weight, ignore_index), labels


@st.composite
def objectives(draw, kind):
    n, k = draw(few), draw(st.integers(1, 4))
    rng = np.random.default_rng(draw(seeds))
    if kind is MeanSquaredError:
        loss = Objective(MeanSquaredError(), rng.normal(size=(n, k)))
    else:
        loss = Objective(*cross_entropy(draw, n, k, rng))
    return loss, rng.normal(size=(n, k))


ENTRYWISE = {
    "ReLU": lambda draw: L.ReLU(),
    "ReLU6": lambda draw: L.ReLU6(),
    "LeakyReLU": lambda draw: L.LeakyReLU(draw(st.sampled_from([0.0, 0.01, 0.3]))),
    "ELU": lambda draw: L.ELU(draw(st.sampled_from([0.5, 1.0, 2.0]))),
    "Sigmoid": lambda draw: L.Sigmoid(),
    "Tanh": lambda draw: L.Tanh(),
    "SiLU": lambda draw: L.SiLU(),
    "HardSwish": lambda draw: L.HardSwish(),
    "GELU": lambda draw: L.GELU(draw(st.sampled_from(["none", "tanh"]))),
    "Identity": lambda draw: L.Identity(),
    "Flatten": lambda draw: L.Flatten(),
    "Scale": lambda draw: L.Scale(draw(st.sampled_from([-1.0, 0.5, 2.0]))),
    "Gain": lambda draw: L.Gain(),
    "Offset": lambda draw: L.Offset(),
    "Dropout": lambda draw: L.Dropout(draw(st.sampled_from([0.0, 0.2, 0.9])), rng=draw(seeds)),
}
IMAGES = {
    "AdaptiveAvgPool2d": lambda draw: L.AdaptiveAvgPool2d((draw(st.integers(1, 6)), draw(st.integers(1, 6)))),
    "GlobalAvgPool2d": lambda draw: L.GlobalAvgPool2d(),
    "Subsample": lambda draw: L.Subsample(draw(few)),
    "PadChannels": lambda draw: L.PadChannels(draw(st.integers(0, 2)), draw(st.integers(0, 2))),
}
CONTAINERS = L.Sequential, L.Residual, L.Concat, L.Gate, L.SqueezeExcite, L.Res2, L.RungeKutta
LAYERS = {
    "Linear": linear(),
    "Conv2d": conv2d(),
    "Conv2d depthwise": conv2d(depthwise=True),
    "MaxPool2d": max_pool2d(),
    "AvgPool2d": avg_pool2d(),
    "SliceChannels": slice_channels(),
    "BatchNorm1d": batch_norm(L.BatchNorm1d),
    "BatchNorm2d": batch_norm(L.BatchNorm2d),
    "GroupNorm": group_norm(),
    "LayerNorm": layer_norm(),
    "PReLU": prelu(),
    **{name: entrywise(make) for name, make in ENTRYWISE.items()},
    **{name: images(make) for name, make in IMAGES.items()},
    **{kind.__name__: containers(kind) for kind in CONTAINERS},
    **{kind.__name__: objectives(kind) for kind in (MeanSquaredError, SoftmaxCrossEntropy)},
}
