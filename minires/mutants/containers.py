"""Mistakes in containers other than Residual: the chain rule, and the sum over branches."""

from ..layers import BatchNorm2d, Concat, Conv2d, Gate, GlobalAvgPool2d, Sequential, Sigmoid, SqueezeExcite, Tanh
from .base import plant


class WrongOrder(Sequential):
    """The chain rule runs backwards: the last layer gets dy first, and its dx is the dy of the layer before it."""

    def backward(self, dy, cache):
        for layer, layer_cache in zip(self.layers.values(), cache):
            dy = layer.backward(dy, layer_cache)
        return dy


class LastLayerSkipped(Sequential):
    """Every layer between x and y takes part in the chain rule, the last one too."""

    def backward(self, dy, cache):
        for layer, layer_cache in list(zip(self.layers.values(), cache))[-2::-1]:
            dy = layer.backward(dy, layer_cache)
        return dy


class SlicesExchanged(Concat):
    """The channels of dy lie in the order of the branches: each branch gets the gradient of its own channels."""

    def terms(self, dy, cache):
        caches, shapes = cache
        first = shapes[0][1]
        pieces = dy[:, first:], dy[:, :first]
        branches = zip(self.branches.items(), pieces, caches)
        return {name: branch.backward(piece, one) for (name, branch), piece, one in branches}


class OffsetForgotten(Concat):
    """The slice of the second branch starts where that of the first ends, not at channel 0 again."""

    def terms(self, dy, cache):
        caches, shapes = cache
        branches = zip(self.branches.items(), shapes, caches)
        return {name: branch.backward(dy[:, : shape[1]], one) for (name, branch), shape, one in branches}


class GateTermDropped(Gate):
    """The gate depends on x too: its term, J_t^T ((F - x) dy), is missing."""

    def terms(self, dy, cache):
        terms = super().terms(dy, cache)
        return {"shortcut": terms["shortcut"], "branch": terms["branch"]}


class GateExchanged(Gate):
    """t lets the branch pass and 1 - t the shortcut: in backward they are exchanged."""

    def terms(self, dy, cache):
        x, f, t, branch_cache, gate_cache = cache
        branch = self.branch.backward((1 - t) * dy, branch_cache)
        return {"shortcut": t * dy, "branch": branch, "gate": self.gate.backward((f - x) * dy, gate_cache)}


class GateSign(Gate):
    """t F + (1 - t) x grows with t as F - x, not as x - F."""

    def terms(self, dy, cache):
        x, f, t, branch_cache, gate_cache = cache
        branch = self.branch.backward(t * dy, branch_cache)
        return {"shortcut": (1 - t) * dy, "branch": branch, "gate": self.gate.backward((x - f) * dy, gate_cache)}


class BranchNotGated(Gate):
    """The branch enters y as t F, so its dy is multiplied by t as well."""

    def terms(self, dy, cache):
        x, f, t, branch_cache, gate_cache = cache
        branch = self.branch.backward(dy, branch_cache)
        return {"shortcut": (1 - t) * dy, "branch": branch, "gate": self.gate.backward((f - x) * dy, gate_cache)}


class ScaleAlone(SqueezeExcite):
    """The numbers that multiply the channels depend on x too: the gradient through the gate is missing."""

    def terms(self, dy, cache):
        return {"scale": super().terms(dy, cache)["scale"]}


class GateAlone(SqueezeExcite):
    """By the product rule s x depends on x directly too: the term s dy is missing."""

    def terms(self, dy, cache):
        return {"gate": super().terms(dy, cache)["gate"]}


class MeanOverPixels(SqueezeExcite):
    """One number multiplies every pixel of a channel: its gradient is the sum over the pixels, not their mean."""

    def terms(self, dy, cache):
        x, s, gate_cache = cache
        gate = self.gate.backward((x * dy).mean(axis=(2, 3), keepdims=True), gate_cache)
        return {"scale": s * dy, "gate": gate}


class InputForgotten(SqueezeExcite):
    """s is multiplied by x, so its gradient is the sum of x dy, not of dy."""

    def terms(self, dy, cache):
        x, s, gate_cache = cache
        return {"scale": s * dy, "gate": self.gate.backward(dy.sum(axis=(2, 3), keepdims=True), gate_cache)}


def _conv(rng):
    return Conv2d(4, 4, 3, padding=1, rng=rng)


def _sequential(cls, rng):
    return cls(_conv(rng), Tanh(), _conv(rng), BatchNorm2d(4))


def _concat(cls, rng):
    return cls(left=_conv(rng), right=Tanh())


def _gate(cls, rng):
    return cls(_conv(rng), Sequential(Conv2d(4, 4, 1, bias=True, rng=rng), Sigmoid()))


def _squeeze(cls, rng):
    return cls(Sequential(GlobalAvgPool2d(), Conv2d(4, 4, 1, bias=True, rng=rng), Sigmoid()))


ROWS = (
    (Sequential, WrongOrder, _sequential),
    (Sequential, LastLayerSkipped, _sequential),
    (Concat, SlicesExchanged, _concat),
    (Concat, OffsetForgotten, _concat),
    (Gate, GateTermDropped, _gate),
    (Gate, GateExchanged, _gate),
    (Gate, GateSign, _gate),
    (Gate, BranchNotGated, _gate),
    (SqueezeExcite, ScaleAlone, _squeeze),
    (SqueezeExcite, GateAlone, _squeeze),
    (SqueezeExcite, MeanOverPixels, _squeeze),
    (SqueezeExcite, InputForgotten, _squeeze),
)
MUTANTS = tuple(plant(right, wrong, build, (3, 4, 5, 6)) for right, wrong, build in ROWS)
