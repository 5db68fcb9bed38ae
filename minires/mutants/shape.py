"""Mistakes in layers that move values without computing."""

from ..layers import Flatten, PadChannels, Scale, SliceChannels, Subsample
from ..layers.checks import as_gradient
from .base import plant


class ChannelsLast(Flatten):
    """Flatten runs through channels, rows and columns in this order: put the entries back in the same order."""

    def backward(self, dy, cache):
        n, c, h, w = cache
        dy = as_gradient(self, dy, (n, c * h * w))
        return dy.reshape(n, h, w, c).transpose(0, 3, 1, 2)


class FactorForgotten(Scale):
    """y = factor x grows factor times as fast as x: dx = factor dy."""

    def backward(self, dy, cache):
        return as_gradient(self, dy, cache)


class FactorInverted(Scale):
    """Backward is the transposed map, not the inverse one: multiply by the factor again, do not divide."""

    def backward(self, dy, cache):
        return as_gradient(self, dy, cache) / self.factor


class GradientInTheCorner(Subsample):
    """Output pixel (r, s) is input pixel (S r, S s): its gradient goes back there, not to (r, s)."""

    def backward(self, dy, cache):
        dx = 0 * super().backward(dy, cache)
        dx[:, :, : dy.shape[2], : dy.shape[3]] = dy
        return dx


class GradientRepeated(Subsample):
    """Pixels that were left out do not matter to the output: their gradient is zero, not that of their neighbour."""

    def backward(self, dy, cache):
        (_, _, h, w), y_shape = cache
        dy = as_gradient(self, dy, y_shape)
        return dy.repeat(self.stride, axis=2).repeat(self.stride, axis=3)[:, :, :h, :w]


class FrontForgotten(PadChannels):
    """The channels of x come after those padded in front: cut dx out there, not at the beginning."""

    def backward(self, dy, cache):
        n, c, h, w = cache
        return as_gradient(self, dy, (n, self.before + c + self.after, h, w))[:, :c]


class SliceAtTheFront(SliceChannels):
    """The slice began at channel ``start``: its gradient goes back there, not to the first channels."""

    def backward(self, dy, cache):
        dx = 0 * super().backward(dy, cache)
        dx[:, : dy.shape[1]] = dy
        return dx


class SliceRepeated(SliceChannels):
    """Channels outside the slice do not matter to the output: their gradient is zero."""

    def backward(self, dy, cache):
        dx = super().backward(dy, cache)
        dx[:, : self.start] = dy[:, :1]
        return dx


ROWS = (
    (Flatten, ChannelsLast, lambda cls, rng: cls()),
    (Scale, FactorForgotten, lambda cls, rng: cls(0.5)),
    (Scale, FactorInverted, lambda cls, rng: cls(0.5)),
    (Subsample, GradientInTheCorner, lambda cls, rng: cls(2)),
    (Subsample, GradientRepeated, lambda cls, rng: cls(2)),
    (PadChannels, FrontForgotten, lambda cls, rng: cls(1, 2)),
    (SliceChannels, SliceAtTheFront, lambda cls, rng: cls(1, 3)),
    (SliceChannels, SliceRepeated, lambda cls, rng: cls(1, 3)),
)
MUTANTS = tuple(plant(right, wrong, build, (3, 4, 5, 6)) for right, wrong, build in ROWS)
