"""Mistakes in ReLU."""

from ..layers import ReLU
from ..layers.checks import as_gradient, as_input
from .base import plant


class PassesEverything(ReLU):
    """Where x <= 0 the output does not depend on x: no gradient passes there."""

    def backward(self, dy, cache):
        return as_gradient(self, dy, cache.shape)


class SignOfGradient(ReLU):
    """The mask of ReLU is the sign of x, not of dy: negative gradients pass too."""

    def backward(self, dy, cache):
        dy = as_gradient(self, dy, cache.shape)
        return dy * (dy > 0)


class GuidedGradient(ReLU):
    """Where x > 0 every gradient passes, negative ones too: to drop them is a way to draw pictures, no derivative."""

    def backward(self, dy, cache):
        alive = cache
        dy = as_gradient(self, dy, alive.shape)
        return dy * (alive & (dy > 0))


class AliveAtZero(ReLU):
    """At x = 0 forward takes the branch y = 0, so the derivative there is 0: the mask is x > 0, not x >= 0."""

    def forward(self, x, train=False):
        y, _ = super().forward(x, train)
        return y, as_input(self, x).real >= 0


class GradientChanged(ReLU):
    """dy belongs to the caller, who may still need it in another branch: make a new array instead of dy *= mask."""

    def backward(self, dy, cache):
        alive = cache
        dy = as_gradient(self, dy, alive.shape)
        dy *= alive
        return dy


class InputChanged(ReLU):
    """x belongs to the caller: written in place, ReLU spoils the x that the shortcut beside it still needs."""

    def forward(self, x, train=False):
        y, cache = super().forward(x, train)
        x[...] = y
        return y, cache


class UpstreamForgotten(ReLU):
    """Backward multiplies dy by the derivative, here the mask: the mask alone is dx for a dy of ones."""

    def backward(self, dy, cache):
        alive = cache
        return as_gradient(self, dy, alive.shape) * 0 + alive


class OutputForMask(ReLU):
    """The derivative of ReLU is 1 where x > 0, whatever x is: multiply dy by the mask, not by the output."""

    def forward(self, x, train=False):
        y, _ = super().forward(x, train)
        return y, y

    def backward(self, dy, cache):
        y = cache
        return as_gradient(self, dy, y.shape) * y


WRONG = (
    PassesEverything,
    SignOfGradient,
    GuidedGradient,
    AliveAtZero,
    GradientChanged,
    InputChanged,
    UpstreamForgotten,
    OutputForMask,
)
# enough entries to meet both branches
MUTANTS = tuple(plant(ReLU, wrong, lambda cls, rng: cls(), (8, 24)) for wrong in WRONG)
