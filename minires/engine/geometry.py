"""A convolution without its values."""

import math
from typing import NamedTuple

from ..layers import Conv2d
from .values import Value


class Geometry(NamedTuple):
    """Sizes and settings of a convolution: all that the choice of an algorithm depends on, beside the batch."""

    channels: int
    out_channels: int
    kernel: tuple
    stride: tuple
    padding: tuple
    dilation: tuple
    groups: int
    size: tuple
    out: tuple

    @classmethod
    def of(cls, layer: Conv2d, x: Value, y: Value) -> "Geometry":
        settings = layer.kernel, layer.stride, layer.padding, layer.dilation, layer.groups
        return cls(x.channels, y.channels, *settings, x.size, y.size)

    @property
    def flops(self) -> int:
        """Multiplications and additions of the definition, for one image."""
        return 2 * math.prod(self.out) * self.out_channels * self.depth

    @property
    def depth(self) -> int:
        """Terms of the sum behind one output: C/G KH KW."""
        return self.channels // self.groups * math.prod(self.kernel)
