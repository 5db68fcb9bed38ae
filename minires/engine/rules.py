"""The rules of the reader: what each kind of layer becomes. Each gets the reader, a layer, its input and its path."""

from dataclasses import replace

from ..errors import MiniresError
from ..layers import (
    AvgPool2d,
    BatchNorm2d,
    Concat,
    Conv2d,
    ELU,
    GELU,
    Gate,
    GlobalAvgPool2d,
    HardSwish,
    Identity,
    LeakyReLU,
    MaxPool2d,
    PadChannels,
    ReLU,
    ReLU6,
    Res2,
    Residual,
    Scale,
    Sequential,
    Sigmoid,
    SiLU,
    SliceChannels,
    SqueezeExcite,
    Subsample,
    Tanh,
)
from ..layers.tree import join
from . import operations as op
from .affine import BatchNorm, Bias, FoldedNorm, RunningNorm
from .values import Sum, Term, Unsuited, Value, require


def _sequential(read, layer, x, path):
    for name, child in layer.children():
        x = read.layer(child, x, join(path, name))
    return x


def _convolution(read, layer, x, path):
    if any(isinstance(p, tuple) for p in layer.padding):  # the kernels know borders of one width
        return read.foreign(layer, x, path)
    x = read.value(x, path)
    windows = zip(x.size, layer.padding, layer.dilation, layer.kernel, layer.stride)
    out = [(s + 2 * p - d * (k - 1) - 1) // t + 1 for s, p, d, k, t in windows]
    weight = layer.out_channels, layer.in_channels // layer.groups, *layer.kernel
    shapes = [tensor.data.shape for _, tensor in layer.tensors()]
    require(x.channels == layer.in_channels and min(out) >= 1 and shapes in ([weight], [weight, weight[:1]]))
    if isinstance(read.producer(x), op.Convolution):  # see operations.Convolution
        x = read.add(op.Join(path, (Term(x),), False, read.new(x.channels, x.size)))
    y = read.add(op.Convolution(path, layer, x, read.new(layer.out_channels, out)))
    return y if layer.bias is None else read.behind(y, Bias, layer)


def _batch_norm(read, layer, x, path):
    if read.mode == "infer" and (conv := _foldable(read, x)) is not None:
        read.change(conv, fold=layer)
        _require_channels(read, layer, conv.y)
        return read.behind(conv.y, FoldedNorm, layer, conv.layer)
    x = read.value(x, path)
    _require_channels(read, layer, x)
    return read.behind(x, BatchNorm if read.mode == "train" else RunningNorm, layer)


def _foldable(read, x):
    """The convolution whose output alone x is, with or without its bias, if nobody else reads it."""
    if isinstance(x, Sum) and len(x.terms) == 1 and not x.relu and isinstance(x.terms[0].affine, Bias):
        x = x.terms[0].value
    if not isinstance(x, Value) or x in read.forked:
        return None
    made = read.producer(x)
    return made if isinstance(made, op.Convolution) and made.fold is None else None


def _relu(read, layer, x, path):
    return Sum(read.sum(x, path).terms, relu=True)


def _residual(read, layer, x, path):
    x = read.fork(x, path)
    branch = read.sum(read.layer(layer.branch, x, join(path, "branch")), path)
    shortcut = read.sum(read.layer(layer.shortcut, x, join(path, "shortcut")), path)
    require((branch.channels, branch.size) == (shortcut.channels, shortcut.size))
    return Sum(branch.terms + shortcut.terms)


def _subsample(read, layer, x, path):
    return Sum((Term(read.value(x, path), step=layer.stride),))


def _pad_channels(read, layer, x, path):
    term = x.terms[0] if isinstance(x, Sum) and not x.relu and len(x.terms) == 1 else None
    if term is None or term.affine is not None or term.before or term.after:
        term = Term(read.value(x, path))
    return Sum((replace(term, before=layer.before, after=layer.after),))


def _slice_channels(read, layer, x, path):
    x = read.value(x, path)
    require(layer.stop <= x.channels)
    return Sum((Term(x, start=layer.start, stop=layer.stop),))


def _identity(read, layer, x, path):
    return x


def _pool(read, layer, x, path):
    x = read.value(x, path)
    try:
        out = layer._out_sizes(x.size)
    except MiniresError:
        raise Unsuited from None
    kind = op.MaxPool if isinstance(layer, MaxPool2d) else op.AvgPool
    return read.add(kind(path, layer, x, read.new(x.channels, out)))


def _global_mean(read, layer, x, path):
    x = read.value(x, path)
    return read.add(op.Mean(path, x, read.new(x.channels, (1, 1))))


def _entrywise(read, layer, x, path):
    x = read.value(x, path)
    return read.add(op.Entrywise(path, layer, x, read.new(x.channels, x.size)))


def _concat(read, layer, x, path):
    x = read.fork(x, path)
    return _side_by_side(
        read, [read.value(read.layer(child, x, join(path, name)), path) for name, child in layer.children()], path
    )


def _side_by_side(read, parts, path):
    require(len({part.size for part in parts}) == 1)
    y = read.new(sum(part.channels for part in parts), parts[0].size)
    return read.add(op.Concat(path, tuple(parts), y))


def _res2(read, layer, x, path):
    x, functions = read.fork(x, path), list(layer.children())
    width, rest = divmod(x.channels, len(functions) + 1)
    require(not rest)
    groups = [Term(x, start=k * width, stop=(k + 1) * width) for k in range(len(functions) + 1)]
    parts = []
    for (name, function), group in zip(functions, groups):
        x_i = Sum((group, *map(Term, parts[-1:])))
        parts.append(read.fork(read.layer(function, x_i, join(path, name)), path))
        require((parts[-1].channels, parts[-1].size) == (width, x.size))
    parts.append(read.value(Sum((groups[-1],)), path))
    return _side_by_side(read, parts, path)


def _squeeze_excite(read, layer, x, path):
    x = read.fork(x, path)
    s = read.value(read.layer(layer.gate, x, join(path, "gate")), path)
    require((s.channels, s.size) == (x.channels, (1, 1)))
    return read.add(op.Excite(path, x, s, read.new(x.channels, x.size)))


def _gate(read, layer, x, path):
    x = read.fork(x, path)
    f = read.value(read.layer(layer.branch, x, join(path, "branch")), path)
    t = read.value(read.layer(layer.gate, x, join(path, "gate")), path)
    require((f.channels, f.size) == (t.channels, t.size) == (x.channels, x.size))
    return read.add(op.Gate(path, layer, x, f, t, read.new(x.channels, x.size)))


def _require_channels(read, layer, x):
    values = read.images * x.size[0] * x.size[1]
    shapes = {tensor.data.shape for _, tensor in layer.tensors()}
    require(shapes == {(x.channels,)} and layer.channels == x.channels and (read.mode != "train" or values > 1))


RULES = {
    Sequential: _sequential,
    Residual: _residual,
    Conv2d: _convolution,
    BatchNorm2d: _batch_norm,
    ReLU: _relu,
    Identity: _identity,
    Subsample: _subsample,
    PadChannels: _pad_channels,
    SliceChannels: _slice_channels,
    Res2: _res2,
    MaxPool2d: _pool,
    AvgPool2d: _pool,
    GlobalAvgPool2d: _global_mean,
    Concat: _concat,
    SqueezeExcite: _squeeze_excite,
    Gate: _gate,
    **dict.fromkeys((ReLU6, LeakyReLU, ELU, GELU, Sigmoid, Tanh, SiLU, HardSwish, Scale), _entrywise),
}
ANYWHERE = {Sequential, Identity}
FIRST = {Conv2d, Residual, Concat, SqueezeExcite, Gate, Res2}  # worth the way into chunks
