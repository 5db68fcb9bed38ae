"""What a plan is made of: values, the terms of a sum, and operations, without their memory."""

from dataclasses import dataclass, field


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
    """A value as it stands in a sum: behind an affine map, or every ``step``-th pixel with zero channels around."""

    value: Value
    affine: object = None
    step: int = 1
    before: int = 0
    after: int = 0

    @property
    def channels(self):
        return self.before + self.value.channels + self.after

    @property
    def size(self):
        return tuple(-(-s // self.step) for s in self.value.size)

    @property
    def strided(self):
        return self.step > 1 or self.before or self.after

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
    """The input does not fit the layers: the definition will say so, with the right names."""
