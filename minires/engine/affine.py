"""What is added to a value or scales it, channel by channel: batch norm, folded batch norm, the bias of a convolution.

    z = scale y + shift            scale, shift: (C,)

Here stands what the maps mean; how the sums over a batch are taken is the matter of a device. With Z = dL/dz,
S1 = sum Z and S2 = sum Z (y - mean), m values of each channel, the gradient of a batch norm over the batch is again
affine in Z and y:

    dbeta = S1     dgamma = istd S2     dy = scale (Z + slope y + level)
    slope = -istd^2 S2 / m              level = -S1 / m - slope mean

For the other maps dy = scale Z. The arrays may lie on any device.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..backend import Array, xp_of
from ..layers import BatchNorm2d, Conv2d, Layer, Param
from .values import Record, Value


class Coefficients(NamedTuple):
    """z = scale y + shift; a scale of None is 1. ``mean``, ``istd``: what y is normalised by, where it is."""

    scale: Any
    shift: Array
    mean: Any = None
    istd: Any = None


@dataclass(frozen=True, eq=False)
class Affine(Record):
    """The map of one value, ``y``. ``layer`` holds the parameters; two maps of one layer have different numbers."""

    number: int
    layer: Layer
    y: Value

    over_batch = False  # whether the coefficients depend on every image
    scales = False
    normalises = True


@dataclass(frozen=True, eq=False)
class Bias(Affine):
    """The bias of a convolution: shift alone."""

    layer: Conv2d

    normalises = False

    @property
    def bias(self) -> Any:
        return self.layer.bias

    def coefficients(self) -> Coefficients:
        return Coefficients(None, self.bias.data)

    def gradients(self, s1: Array, s2: Array, istd: Any) -> Iterator[tuple[Param, Array]]:
        yield self.bias, s1


@dataclass(frozen=True, eq=False)
class RunningNorm(Affine):
    """Batch norm by its running statistics, a constant map."""

    layer: BatchNorm2d

    scales = True

    def coefficients(self) -> Coefficients:
        return _normalise(self.layer, self.layer.running_mean.data, self.layer.running_var.data)

    def gradients(self, s1: Array, s2: Array, istd: Array) -> Iterator[tuple[Param, Array]]:
        yield self.layer.beta, s1
        yield self.layer.gamma, s2 * istd


@dataclass(frozen=True, eq=False)
class FoldedNorm(Affine):
    """What is left of a batch norm whose scale has gone into the filters of the convolution before it: the shift.

    ``convolution``: its bias, if it has one, is scaled too.
    """

    layer: BatchNorm2d
    convolution: Conv2d

    def coefficients(self) -> Coefficients:
        scale, shift, *_ = _normalise(self.layer, self.layer.running_mean.data, self.layer.running_var.data)
        bias = self.convolution.bias
        return Coefficients(None, shift if bias is None else shift + scale * bias.data)


@dataclass(frozen=True, eq=False)
class BatchNorm(RunningNorm):
    """Batch norm by the statistics of the batch."""

    over_batch = True

    def coefficients(self, mean: Array, var: Array) -> Coefficients:  # type: ignore[override]
        return _normalise(self.layer, mean, var)

    def slopes(self, s1: Array, s2: Array, of: Coefficients, m: int) -> tuple[Array, Array]:
        """(slope, level)"""
        slope = -(of.istd**2) * s2 / m
        return slope, -s1 / m - slope * of.mean

    def track(self, mean: Array, unbiased: Array) -> None:
        """Move the running statistics: once for each forward in training. ``unbiased``: sum (y - mean)^2 / (m - 1)"""
        bn = self.layer
        for running, batch in ((bn.running_mean, mean), (bn.running_var, unbiased)):
            running.data = (1 - bn.momentum) * running.data + bn.momentum * batch


def _normalise(bn, mean, var):
    istd = 1 / xp_of(var).sqrt(var + bn.eps)
    scale = bn.gamma.data * istd
    return Coefficients(scale, bn.beta.data - mean * scale, mean, istd)
