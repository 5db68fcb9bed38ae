"""Mistakes in layers of one trained number."""

from ..layers import Gain, Offset
from ..layers.checks import as_gradient
from .base import plant


class GainForgottenInDx(Gain):
    """y = g x grows g times as fast as x: dx = g dy."""

    def backward(self, dy, cache):
        super().backward(dy, cache)
        return as_gradient(self, dy, cache.shape)


class GainNotTrained(Gain):
    """The gain is trained: it gets the sum of x dy, where a constant factor gets nothing."""

    def backward(self, dy, cache):
        return self.weight.data * as_gradient(self, dy, cache.shape)


class GainAveraged(Gain):
    """One gain acts on all entries of the batch: its gradient is the sum over them, not their mean."""

    def backward(self, dy, cache):
        grad = self.weight.grad.copy()
        dx = super().backward(dy, cache)
        self.weight.grad[...] = grad + (self.weight.grad - grad) / dy.size
        return dx


class GainAveragedOverTheBatch(Gain):
    """Over the batch alone."""

    def backward(self, dy, cache):
        grad = self.weight.grad.copy()
        dx = super().backward(dy, cache)
        self.weight.grad[...] = grad + (self.weight.grad - grad) / len(dy)
        return dx


class GainGradientOfTheOutput(Gain):
    """dy/dg is x, not y = g x: multiply dy by the input."""

    def backward(self, dy, cache):
        grad = self.weight.grad.copy()
        dx = super().backward(dy, cache)
        self.weight.grad[...] = grad + self.weight.data * (self.weight.grad - grad)
        return dx


class GainGradientReplaced(Gain):
    """Gradients are added to those that are there: a gain may be used more than once before a step."""

    def backward(self, dy, cache):
        self.weight.grad[...] = 0
        return super().backward(dy, cache)


class OffsetNotTrained(Offset):
    """The offset is trained: it gets the sum of dy."""

    def backward(self, dy, cache):
        return as_gradient(self, dy, cache)


class OffsetAveraged(Offset):
    """One offset acts on all entries of the batch: its gradient is the sum of dy over them, not their mean."""

    def backward(self, dy, cache):
        grad = self.bias.grad.copy()
        dx = super().backward(dy, cache)
        self.bias.grad[...] = grad + (self.bias.grad - grad) / dy.size
        return dx


class OffsetAveragedOverTheBatch(Offset):
    """Over the batch alone."""

    def backward(self, dy, cache):
        grad = self.bias.grad.copy()
        dx = super().backward(dy, cache)
        self.bias.grad[...] = grad + (self.bias.grad - grad) / len(dy)
        return dx


class OffsetInTheGradient(Offset):
    """The derivative of x + b by x is 1: a constant that was added leaves the gradient as it is."""

    def backward(self, dy, cache):
        return super().backward(dy, cache) + self.bias.data


ROWS = (
    (Gain, GainForgottenInDx),
    (Gain, GainNotTrained),
    (Gain, GainAveraged, GainAveragedOverTheBatch),
    (Gain, GainGradientOfTheOutput),
    (Gain, GainGradientReplaced),
    (Offset, OffsetNotTrained),
    (Offset, OffsetAveraged, OffsetAveragedOverTheBatch),
    (Offset, OffsetInTheGradient),
)
MUTANTS = tuple(plant(right, wrong, lambda cls, rng: cls(0.5), (4, 9), forms) for right, wrong, *forms in ROWS)
