"""Mistakes in activations other than ReLU."""

import math

from ..backend import xp_of
from ..layers import ELU, GELU, HardSwish, LeakyReLU, PReLU, ReLU6, Sigmoid, SiLU, Tanh
from ..layers.checks import as_gradient, as_input
from .base import plant


class UpperBoundForgotten(ReLU6):
    """Above 6 the output is constant as it is below 0: no gradient passes there."""

    def forward(self, x, train=False):
        y, _ = super().forward(x, train)
        return y, as_input(self, x).real > 0


class SlopeOnTheWrongSide(LeakyReLU):
    """The slope belongs to x <= 0; where x > 0 the gradient passes unchanged."""

    def backward(self, dy, cache):
        positive = cache
        dy = as_gradient(self, dy, positive.shape)
        return xp_of(dy).where(positive, self.slope * dy, dy)


class SlopeForgotten(LeakyReLU):
    """Below zero a leaky ReLU still lets slope dy through; that it is not zero is its point."""

    def backward(self, dy, cache):
        positive = cache
        return as_gradient(self, dy, positive.shape) * positive


class OutputAsDerivative(ELU):
    """The derivative of alpha (exp(x) - 1) is alpha exp(x) = y + alpha, not y: the - 1 falls away."""

    def backward(self, dy, cache):
        below, positive = cache
        dy = as_gradient(self, dy, below.shape, like=below)
        xp = xp_of(dy)
        return xp.where(positive, dy, dy * (self.alpha * xp.expm1(below)))


class AlphaForgotten(ELU):
    """The derivative of alpha (exp(x) - 1) is alpha exp(x): exp(x) is right for alpha = 1 alone."""

    def backward(self, dy, cache):
        below, positive = cache
        dy = as_gradient(self, dy, below.shape, like=below)
        xp = xp_of(dy)
        return xp.where(positive, dy, dy * xp.exp(below))


class WrongSign(Sigmoid):
    """The derivative of the sigmoid is y (1 - y): y (1 + y) would grow where the curve gets flat."""

    def backward(self, dy, cache):
        y = cache
        return as_gradient(self, dy, y.shape, like=y) * y * (1 + y)


class DerivativeOfTheOutput(Sigmoid):
    """The cache holds y = sigmoid(x): applied to it once more, the sigmoid gives the derivative at another place."""

    def backward(self, dy, cache):
        y, _ = super().forward(cache)
        return as_gradient(self, dy, y.shape, like=y) * y * (1 - y)


class SquareForgotten(Tanh):
    """The derivative of tanh is 1 - y^2: 1 - y has lost the square."""

    def backward(self, dy, cache):
        y = cache
        return as_gradient(self, dy, y.shape, like=y) * (1 - y)


class SecondTermMissing(SiLU):
    """x appears twice in x sigmoid(x), so the product rule gives two terms: that of the sigmoid is missing."""

    def backward(self, dy, cache):
        x, s = cache
        return as_gradient(self, dy, x.shape, like=x) * s


class ProductRuleForgotten(HardSwish):
    """x appears twice in x (x + 3) / 6: the derivative is (2 x + 3) / 6, not the factor (x + 3) / 6."""

    def backward(self, dy, cache):
        inner, low, high = cache
        dy = as_gradient(self, dy, inner.shape, like=inner)
        xp = xp_of(dy)
        return xp.where(low, 0, xp.where(high, dy, dy * (inner + 3) / 6))


class BoundsForgotten(HardSwish):
    """Outside -3 < x < 3 hard-swish is 0 or x, with the derivatives 0 and 1."""

    def backward(self, dy, cache):
        inner, _, _ = cache
        return as_gradient(self, dy, inner.shape, like=inner) * (2 * inner + 3) / 6


class DensityForgotten(GELU):
    """x stands in x P(X <= x) twice, so the product rule gives two terms: x p(x) is missing."""

    def backward(self, dy, cache):
        x, share = cache
        return as_gradient(self, dy, x.shape, like=x) * share


class DensityOfTheHalf(GELU):
    """The density of N(0, 1) is exp(-x^2 / 2) / sqrt(2 pi): the 2 in the exponent and the one in the root belong."""

    def backward(self, dy, cache):
        x, share = cache
        density = xp_of(x).exp(-x * x) / math.sqrt(math.pi)
        return as_gradient(self, dy, x.shape, like=x) * (share + x * density)


class InnerDerivativeForgotten(GELU):
    """The chain rule goes into a(x) = sqrt(2 / pi) (x + 0.044715 x^3): its own derivative is a factor."""

    def backward(self, dy, cache):
        x, share = cache
        return as_gradient(self, dy, x.shape, like=x) * (share + 2 * x * share * (1 - share))


class SlopeNotTrained(PReLU):
    """The slope is a parameter: it has a gradient of its own, x dy where x <= 0."""

    def backward(self, dy, cache):
        grad = self.weight.grad.copy()
        dx = super().backward(dy, cache)
        self.weight.grad[...] = grad
        return dx


class SlopeGradientOfAllEntries(PReLU):
    """Where x > 0 the slope has no part in y: those entries add nothing to its gradient."""

    def backward(self, dy, cache):
        x, positive = cache
        dx = super().backward(dy, cache)
        self.weight.grad += self._summed(as_gradient(self, dy, x.shape) * x * positive)
        return dx


class SlopeAveraged(PReLU):
    """The gradient of the slope is a sum over all entries of its channel, no mean."""

    def backward(self, dy, cache):
        x, positive = cache
        grad = self.weight.grad.copy()
        dx = super().backward(dy, cache)
        self.weight.grad[...] = grad + (self.weight.grad - grad) / (x.size // self.channels)
        return dx


class SlopeAveragedOverTheBatch(PReLU):
    """Over the batch alone."""

    def backward(self, dy, cache):
        x, _ = cache
        grad = self.weight.grad.copy()
        dx = super().backward(dy, cache)
        self.weight.grad[...] = grad + (self.weight.grad - grad) / len(x)
        return dx


class SlopeForgottenInDx(PReLU):
    """Below zero y is weight x, so dx is weight dy."""

    def backward(self, dy, cache):
        super().backward(dy, cache)
        return as_gradient(self, dy, cache[0].shape)


ROWS = (
    (ReLU6, UpperBoundForgotten, lambda cls, rng: cls()),
    (LeakyReLU, SlopeOnTheWrongSide, lambda cls, rng: cls(0.1)),
    (LeakyReLU, SlopeForgotten, lambda cls, rng: cls(0.1)),
    (ELU, OutputAsDerivative, lambda cls, rng: cls()),
    (ELU, AlphaForgotten, lambda cls, rng: cls(0.5)),
    (Sigmoid, WrongSign, lambda cls, rng: cls()),
    (Sigmoid, DerivativeOfTheOutput, lambda cls, rng: cls()),
    (Tanh, SquareForgotten, lambda cls, rng: cls()),
    (SiLU, SecondTermMissing, lambda cls, rng: cls()),
    (GELU, DensityForgotten, lambda cls, rng: cls()),
    (GELU, DensityOfTheHalf, lambda cls, rng: cls()),
    (GELU, InnerDerivativeForgotten, lambda cls, rng: cls("tanh")),
    (PReLU, SlopeNotTrained, lambda cls, rng: cls(24)),
    (PReLU, SlopeGradientOfAllEntries, lambda cls, rng: cls(24)),
    (PReLU, SlopeAveraged, lambda cls, rng: cls(), SlopeAveragedOverTheBatch),
    (PReLU, SlopeForgottenInDx, lambda cls, rng: cls()),
    (HardSwish, ProductRuleForgotten, lambda cls, rng: cls()),
    (HardSwish, BoundsForgotten, lambda cls, rng: cls()),
)
# enough entries to meet every branch of every activation
MUTANTS = tuple(plant(right, wrong, build, (8, 24), forms) for right, wrong, build, *forms in ROWS)
