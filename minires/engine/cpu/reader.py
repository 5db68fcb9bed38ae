"""A tree of layers as a list of operations on values.

    v1 block:  t = conv1(x)    u = relu(bn1(t))    t = conv2(u)    y = relu(bn2(t) + x)
    v2 block:  u = relu(bn1(x))    t = conv1(u)    u = relu(bn2(t))    t = conv2(u)    y = t + x

Everything between two convolutions is one "join": a sum of terms, each a value with an affine map (batch norm), and
perhaps a ReLU. While the tree is read, such a sum is kept open (:class:`Sum`), so that what follows can join it. A
layer that no rule fits stays what it is, "foreign": it works on whole arrays by its own forward and backward.
"""

from dataclasses import replace

from ...errors import MiniresError
from ...layers import (
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
from ...layers.known import kind_of
from ...layers.tree import join
from .affine import BatchNorm, Bias, FoldedNorm, RunningNorm
from .values import Array, Operation, Sum, Term, Unsuited, Value, shape_behind


class Reader:
    """Reads a tree of layers into ``operations``.

    mode: "train" (statistics of the batch), "eval" (running ones, with a backward) or "infer" (no backward: batch norm
    behind a convolution goes into its filters)
    """

    def __init__(self, shape, mode):
        self.mode, self.operations, self.images = mode, [], shape[0]
        self.input = Array(shape[1:])

    def read(self, model):
        hooked = [path for path, layer in model.walk() if "forward" in vars(layer) or "backward" in vars(layer)]
        if hooked:  # whoever watches a layer is to see each call of it, and no other
            raise Unsuited(f"{hooked[0] or 'the model'} has a forward or backward on the instance")
        self.output = self._array(self._layer(model, self.input, ""), "")
        return self

    def _layer(self, layer, x, path):
        """The value, array or open sum that ``layer`` makes of x; by a rule only if it runs by methods of minires."""
        kind = kind_of(layer)
        enters = not isinstance(x, Array) or kind in ANYWHERE or (kind in FIRST and len(x.shape) == 3)
        rule = RULES.get(kind) if enters else None
        return rule(self, layer, x, path) if rule else self._foreign(layer, x, path, own=kind is None)

    def _add(self, kind, inputs, output, path, layer=None, **details):
        operation = Operation(kind, list(inputs), output, path, layer, details)
        for value in inputs:
            value.consumers += 1
        output.producer = operation
        self.operations.append(operation)
        return output

    def _value(self, x, path):
        """x as a value: an array is put into chunks, an open sum is computed."""
        if isinstance(x, Value):
            return x
        if isinstance(x, Array):
            _require(len(x.shape) == 3)
            return self._add("load", [x], Value(x.shape[0], x.shape[1:]), path)
        if len(x.terms) == 1 and x.terms[0].plain and not x.relu:
            return x.terms[0].value
        output = Value(x.channels, x.size)
        return self._add("join", [t.value for t in x.terms], output, path, terms=x.terms, relu=x.relu)

    def _fork(self, x, path):
        """x as a value that several ways read."""
        x = self._value(x, path)
        x.shared = True
        return x

    def _sum(self, x, path):
        """x as an open sum that takes further terms."""
        if isinstance(x, Sum) and not x.relu:
            return x
        return Sum([Term(self._value(x, path))])

    def _array(self, x, path):
        """x as an array."""
        if isinstance(x, Array):
            return x
        x = self._value(x, path)
        return self._add("store", [x], Array((x.channels, *x.size)), path)

    def _foreign(self, layer, x, path, own=False):
        x = self._array(x, path)
        return self._add("foreign", [x], Array(shape_behind(layer, x.shape)), path, layer, own=own)

    def _sequential(self, layer, x, path):
        for name, child in layer.children():
            x = self._layer(child, x, join(path, name))
        return x

    def _convolution(self, layer, x, path):
        if any(isinstance(p, tuple) for p in layer.padding):  # the kernels know borders of one width
            return self._foreign(layer, x, path)
        x = self._value(x, path)
        windows = zip(x.size, layer.padding, layer.dilation, layer.kernel, layer.stride)
        out = [(s + 2 * p - d * (k - 1) - 1) // t + 1 for s, p, d, k, t in windows]
        weight = layer.out_channels, layer.in_channels // layer.groups, *layer.kernel
        shapes = [tensor.data.shape for _, tensor in layer.tensors()]
        _require(x.channels == layer.in_channels and min(out) >= 1 and shapes in ([weight], [weight, weight[:1]]))
        if x.producer.kind == "conv":  # whose tiles may reach beyond the image, where this one needs zeros: a copy
            x = self._add("join", [x], Value(x.channels, x.size), path, terms=[Term(x)], relu=False)
        y = self._add("conv", [x], Value(layer.out_channels, out), path, layer)
        return y if layer.bias is None else Sum([Term(y, Bias(layer))])

    def _batch_norm(self, layer, x, path):
        if self.mode == "infer" and (conv := _foldable(x)) is not None:
            conv.details["fold"] = layer
            self._require_channels(layer, conv.output)
            return Sum([Term(conv.output, FoldedNorm(layer, conv.layer))])
        x = self._value(x, path)
        self._require_channels(layer, x)
        return Sum([Term(x, BatchNorm(layer) if self.mode == "train" else RunningNorm(layer))])

    def _relu(self, layer, x, path):
        return Sum(self._sum(x, path).terms, relu=True)

    def _residual(self, layer, x, path):
        x = self._fork(x, path)
        branch = self._sum(self._layer(layer.branch, x, join(path, "branch")), path)
        shortcut = self._sum(self._layer(layer.shortcut, x, join(path, "shortcut")), path)
        _require((branch.channels, branch.size) == (shortcut.channels, shortcut.size))
        return Sum(branch.terms + shortcut.terms)

    def _subsample(self, layer, x, path):
        return Sum([Term(self._value(x, path), step=layer.stride)])

    def _pad_channels(self, layer, x, path):
        term = x.terms[0] if isinstance(x, Sum) and not x.relu and len(x.terms) == 1 else None
        if term is None or term.affine is not None or term.before or term.after:
            term = Term(self._value(x, path))
        return Sum([replace(term, before=layer.before, after=layer.after)])

    def _slice_channels(self, layer, x, path):
        x = self._value(x, path)
        _require(layer.stop <= x.channels)
        return Sum([Term(x, start=layer.start, stop=layer.stop)])

    def _identity(self, layer, x, path):
        return x

    def _pool(self, layer, x, path):
        x = self._value(x, path)
        try:
            out = layer._out_sizes(x.size)
        except MiniresError:
            raise Unsuited from None
        kind = "maxpool" if isinstance(layer, MaxPool2d) else "avgpool"
        return self._add(kind, [x], Value(x.channels, out), path, layer)

    def _global_mean(self, layer, x, path):
        x = self._value(x, path)
        return self._add("mean", [x], Value(x.channels, (1, 1)), path, layer)

    def _entrywise(self, layer, x, path):
        x = self._value(x, path)
        return self._add("entrywise", [x], Value(x.channels, x.size), path, layer)

    def _concat(self, layer, x, path):
        x = self._fork(x, path)
        parts = [self._value(self._layer(child, x, join(path, name)), path) for name, child in layer.children()]
        _require(len({part.size for part in parts}) == 1)
        return self._add("concat", parts, Value(sum(part.channels for part in parts), parts[0].size), path, layer)

    def _res2(self, layer, x, path):
        x, functions = self._fork(x, path), list(layer.children())
        width, rest = divmod(x.channels, len(functions) + 1)
        _require(not rest)
        groups = [Term(x, start=k * width, stop=(k + 1) * width) for k in range(len(functions) + 1)]
        parts = []
        for (name, function), group in zip(functions, groups):
            x_i = Sum([group, *map(Term, parts[-1:])])
            parts.append(self._value(self._layer(function, x_i, join(path, name)), path))
            _require((parts[-1].channels, parts[-1].size) == (width, x.size))
            parts[-1].shared = True
        parts.append(self._value(Sum(groups[-1:]), path))
        return self._add("concat", parts, Value(x.channels, x.size), path, layer)

    def _squeeze_excite(self, layer, x, path):
        x = self._fork(x, path)
        s = self._value(self._layer(layer.gate, x, join(path, "gate")), path)
        _require((s.channels, s.size) == (x.channels, (1, 1)))
        return self._add("excite", [x, s], Value(x.channels, x.size), path, layer)

    def _gate(self, layer, x, path):
        x = self._fork(x, path)
        f = self._value(self._layer(layer.branch, x, join(path, "branch")), path)
        t = self._value(self._layer(layer.gate, x, join(path, "gate")), path)
        _require((f.channels, f.size) == (t.channels, t.size) == (x.channels, x.size))
        return self._add("gate", [x, f, t], Value(x.channels, x.size), path, layer)

    def _require_channels(self, layer, x):
        values = self.images * x.size[0] * x.size[1]
        shapes = {tensor.data.shape for _, tensor in layer.tensors()}
        _require(shapes == {(x.channels,)} and layer.channels == x.channels and (self.mode != "train" or values > 1))


RULES = {
    Sequential: Reader._sequential,
    Residual: Reader._residual,
    Conv2d: Reader._convolution,
    BatchNorm2d: Reader._batch_norm,
    ReLU: Reader._relu,
    Identity: Reader._identity,
    Subsample: Reader._subsample,
    PadChannels: Reader._pad_channels,
    SliceChannels: Reader._slice_channels,
    Res2: Reader._res2,
    MaxPool2d: Reader._pool,
    AvgPool2d: Reader._pool,
    GlobalAvgPool2d: Reader._global_mean,
    Concat: Reader._concat,
    SqueezeExcite: Reader._squeeze_excite,
    Gate: Reader._gate,
    **dict.fromkeys((ReLU6, LeakyReLU, ELU, GELU, Sigmoid, Tanh, SiLU, HardSwish, Scale), Reader._entrywise),
}
ANYWHERE = {Sequential, Identity}
FIRST = {Conv2d, Residual, Concat, SqueezeExcite, Gate, Res2}  # worth the way into chunks


def _require(fits):
    if not fits:
        raise Unsuited


def _foldable(x):
    """The convolution whose output alone x is, with or without its bias, if nobody else reads it."""
    if isinstance(x, Sum) and len(x.terms) == 1 and not x.relu and isinstance(x.terms[0].affine, Bias):
        x = x.terms[0].value
    if isinstance(x, Value) and x.producer.kind == "conv" and not x.shared and "fold" not in x.producer.details:
        return x.producer
    return None
