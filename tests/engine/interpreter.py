"""A plan run record by record, on whole arrays of any device: what an executor must do, with nothing made fast.

Values are (N, C, H, W), the layers compute their parts, and no line knows how the engine's own executors work.
"""

import copy

from minires.backend import xp_of
from minires.engine import operations as op
from minires.engine.gradients import Scaled, Strided


class Interpreter:
    """``forward(x)``, then ``backward(dy)``; gradients and running statistics go into the layers of the plan."""

    def __init__(self, plan):
        self.plan = plan

    def forward(self, x):
        self.values, self.caches, self.of = {self.plan.input: x}, {}, {}
        for o in self.plan.operations:
            self.values[o.y] = self._do(o, *(self.values[v] for v in o.inputs))
        for affine in self.plan.maps:
            if affine.over_batch:
                mean, squares, m = self._statistics(affine)
                affine.track(mean, squares / (m - 1))
        return self.values[self.plan.output]

    def _do(self, o, *xs):
        if isinstance(o, (op.Load, op.Store)):
            return xs[0]
        if isinstance(o, op.Convolution):
            y, self.caches[o] = _bare(o.layer).forward(*xs)
            return (
                y if o.fold is None else y * _column(o.fold.gamma.data * (o.fold.running_var.data + o.fold.eps) ** -0.5)
            )
        if isinstance(o, op.Join):
            y = sum(self._term(t, x) for t, x in zip(o.terms, xs))
            return y * (y > 0) if o.relu else y
        if isinstance(o, op.Mean):
            return xs[0].mean(axis=(2, 3), keepdims=True)
        if isinstance(o, op.Concat):
            y = _zeros(xs[0], sum(x.shape[1] for x in xs))
            for x, channels in zip(xs, _side_by_side(xs)):
                y[:, channels] = x
            return y
        if isinstance(o, op.Excite):
            return xs[0] * xs[1]
        if isinstance(o, op.Gate):
            x, f, t = xs
            return (t * f if o.layer.exclusive else f) + (1 - t) * x
        y, self.caches[o] = o.layer.forward(*xs, self.plan.mode == "train" and isinstance(o, op.Foreign))
        return y

    def _statistics(self, affine):
        y = self.values[affine.y]
        mean = y.mean(axis=(0, 2, 3))
        return mean, ((y - _column(mean)) ** 2).sum(axis=(0, 2, 3)), y.size // y.shape[1]

    def _term(self, term, x):
        if term.affine is not None:
            if term.affine.over_batch:
                mean, squares, m = self._statistics(term.affine)
                of = term.affine.coefficients(mean, squares / m)
            else:
                of = term.affine.coefficients()
            self.of[term.affine] = of
            return (x if of.scale is None else _column(of.scale) * x) + _column(of.shift)
        if term.plain:
            return x
        y = _zeros(x[:, :, :: term.step, :: term.step], term.channels)
        y[:, term.before : term.before + term.width] = x[:, term.start : term.stop, :: term.step, :: term.step]
        return y

    # -- backward

    def backward(self, dy):
        self.arrays, self.buffers, self.slopes = {self.plan.output: dy}, {}, {}
        for record in self.plan.adjoint:
            o = record.operation
            if isinstance(o, op.Foreign):
                self._share_array(o.x, o.layer.backward(self.arrays.pop(o.y), self.caches[o]))
            elif isinstance(o, op.Store):
                self._share(record.targets, [self.arrays[o.y]])
            else:
                self._undo(record, o, self._dy(record))
        return self.arrays.get(self.plan.input)

    def _dy(self, record):
        """dy put together."""
        assert all(affine in self.slopes for affine in record.waits)
        dy = self.buffers[record.dy] if record.based else 0
        for part in record.parts:
            dy = dy + self._part(part, record.operation.y)
        return dy

    def _part(self, part, value):
        z = self.buffers[part.buffer]
        if isinstance(part, Strided):
            t = part.term
            dy = _zeros(self.values[value], value.channels)
            dy[:, t.start : t.stop, :: t.step, :: t.step] = z[:, t.before : t.before + t.width]
            return dy
        if isinstance(part, Scaled):
            if part.affine.over_batch:
                slope, level = self.slopes[part.affine]
                z = z + _column(slope) * self.values[part.affine.y] + _column(level)
            return z * _column(self.of[part.affine].scale) if part.scaled else z
        return z

    def _undo(self, record, o, dy):
        if isinstance(o, op.Join):
            z = dy * (self.values[o.y] > 0) if o.relu else dy
            for affine in o.maps:
                self._sums(affine, z)
            self.buffers[record.dy] = z
        elif isinstance(o, op.Convolution):
            if record.folded is not None:
                dy = dy * _column(self.of[record.folded].scale)
            self._share(record.targets, [_bare(o.layer).backward(dy, self.caches[o])])
        else:
            if record.dy is not None:
                self.buffers[record.dy] = dy
            if isinstance(o, op.Load):
                self._share_array(o.x, dy)
            else:
                self._share(record.targets, self._shares(o, dy, [self.values[v] for v in o.inputs]))

    def _sums(self, affine, z):
        of, y = self.of[affine], self.values[affine.y]
        s1 = z.sum(axis=(0, 2, 3))
        s2 = (z * (y - _column(of.mean))).sum(axis=(0, 2, 3)) if affine.scales else None
        for param, grad in affine.gradients(s1, s2, of.istd):
            param.grad += grad
        if affine.over_batch:
            self.slopes[affine] = affine.slopes(s1, s2, of, y.size // y.shape[1])

    def _shares(self, o, dy, xs):
        if isinstance(o, op.Mean):
            return [dy / (xs[0].shape[2] * xs[0].shape[3]) + 0 * xs[0]]
        if isinstance(o, op.Concat):
            return [dy[:, channels] for channels in _side_by_side(xs)]
        if isinstance(o, op.Excite):
            return [xs[1] * dy, (xs[0] * dy).sum(axis=(2, 3), keepdims=True)]
        if isinstance(o, op.Gate):
            x, f, t = xs
            own = o.layer.exclusive
            return [(1 - t) * dy, t * dy if own else dy, (f - x if own else -x) * dy]
        return [o.layer.backward(dy, self.caches[o])]

    def _share(self, targets, dxs):
        for target, dx in zip(targets, dxs, strict=True):
            if target is not None:
                self.buffers[target.buffer] = self.buffers[target.buffer] + dx if target.adds else dx

    def _share_array(self, array, dx):
        self.arrays[array] = self.arrays[array] + dx if array in self.arrays else dx


def _bare(conv):
    """A convolution without its bias, with the same weight."""
    bare = copy.copy(conv)
    bare.bias = None
    return bare


def _column(v):
    return v[:, None, None]


def _zeros(like, channels):
    """Zeros beside ``like``, on its device."""
    n, _, *size = like.shape
    return xp_of(like).zeros((n, channels, *size), dtype=like.dtype)


def _side_by_side(xs):
    start = 0
    for x in xs:
        yield slice(start, start + x.shape[1])
        start += x.shape[1]
