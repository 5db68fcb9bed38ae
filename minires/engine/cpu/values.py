"""What a plan is made of: values, the terms of a sum, and operations, without their memory."""

from dataclasses import dataclass, field

import numpy as np

from ...backend import xp_of
from ...errors import MiniresError


class Value:
    """Images in chunks. ``size``: (H, W)   ``extent`` >= size: what tiles reach   ``border``: zeros around."""

    def __init__(self, channels, size):
        self.channels, self.size = channels, tuple(size)
        self.extent, self.border = self.size, 0
        self.producer = None
        self.consumers = 0
        self.shared = False  # whether a fork reads it

    def demand(self, border, extent):
        """Room for one more reader or writer."""
        self.border = max(self.border, border)
        self.extent = tuple(map(max, self.extent, extent))


class Array:
    """An array as the layers know it: (N, *shape)."""

    def __init__(self, shape):
        self.shape = tuple(shape)
        self.producer = None
        self.consumers = 0


@dataclass(frozen=True)
class Term:
    """A value as it stands in a sum: behind an affine map, or a part of it with zero channels around.

    The part: every ``step``-th pixel of the channels ``start`` to ``stop``, by default all of them.
    """

    value: Value
    affine: object = None
    step: int = 1
    before: int = 0
    after: int = 0
    start: int = 0
    stop: int | None = None

    @property
    def channels(self):
        return self.before + self.width + self.after

    @property
    def width(self):
        """Channels of the part."""
        return (self.value.channels if self.stop is None else self.stop) - self.start

    def part(self, image):
        """The part of an image (H, W, n, C) of the value."""
        return image[:: self.step, :: self.step, :, self.start : self.stop]

    def place(self, image):
        """Where the part stands in an image of the sum."""
        return image[..., self.before : self.before + self.width]

    @property
    def size(self):
        return tuple(-(-s // self.step) for s in self.value.size)

    @property
    def strided(self):
        return self.step > 1 or self.before or self.after or self.width < self.value.channels

    @property
    def plain(self):
        return self.affine is None and not self.strided


@dataclass
class Sum:
    """An open sum of terms of equal shape; with ``relu`` it is closed for further terms."""

    terms: list
    relu: bool = False

    @property
    def channels(self):
        return self.terms[0].channels

    @property
    def size(self):
        return self.terms[0].size


@dataclass(eq=False)
class Operation:
    """``output`` = f(``inputs``); ``path`` names the layer it comes from."""

    kind: str
    inputs: list
    output: object
    path: str
    layer: object = None
    details: dict = field(default_factory=dict)


class Unsuited(Exception):
    """No plan can be made, so the definition runs; where the input does not fit it says so, with the right names."""

    def __str__(self):
        return super().__str__() or "the input does not fit the layers"


def shape_behind(layer, shape):
    """What ``layer`` makes of one image of this shape, by one inference on zeros, where its parameters are."""
    like = next((p.data for _, p in layer.params()), np.empty(0, np.float32))
    try:
        return layer(xp_of(like).zeros((1, *shape), like.dtype)).shape[1:]
    except MiniresError:
        raise Unsuited from None
