"""The operations of a plan, in the order of the forward: y = f(inputs). What they are, not how a device does them.

    Load, Store                from an array of the layers to a value, and back
    Convolution                y = x * w; its bias is a term of the sum behind it
    Join                       y = relu(sum of terms), each behind an affine map or a part of its value
    MaxPool, AvgPool, Mean     pooling; Mean is over all pixels
    Entrywise                  an activation other than ReLU
    Concat, Excite, Gate       the joins of branches other than a sum
    Foreign                    a layer of the definition, on whole arrays

``path`` names the layer that an operation comes from, ``saves`` are the values that its backward reads.
"""

from dataclasses import dataclass
from typing import Any

from ..layers import BatchNorm2d, Conv2d, Layer
from ..layers import Gate as GateLayer
from .geometry import Geometry
from .values import Array, Record, Term, Value


class Operation(Record):
    """Named by what it makes, ``y``."""

    path: str
    y: Any
    name = ""

    def __hash__(self) -> int:
        return self.y.number

    @property
    def inputs(self) -> tuple:
        return (self.x,)  # type: ignore[attr-defined]

    @property
    def saves(self) -> tuple:
        return ()


@dataclass(frozen=True, eq=False)
class Load(Operation):
    """An array (N, C, H, W) as a value."""

    path: str
    x: Array
    y: Value

    name = "into chunks"


@dataclass(frozen=True, eq=False)
class Store(Operation):
    """A value as an array (N, C, H, W)."""

    path: str
    x: Value
    y: Array

    name = "out of chunks"


@dataclass(frozen=True, eq=False)
class Convolution(Operation):
    """y = x * weight. ``fold``: a batch norm whose scale goes into the filters, in inference.

    x is never what a convolution has made: at least a join stands between, because tiles may reach beyond an image.
    """

    path: str
    layer: Conv2d
    x: Value
    y: Value
    fold: BatchNorm2d | None = None

    name = "convolution"

    @property
    def geometry(self) -> Geometry:
        return Geometry.of(self.layer, self.x, self.y)

    @property
    def saves(self) -> tuple:
        return (self.x,)


@dataclass(frozen=True, eq=False)
class Join(Operation):
    """y = relu(sum of terms): everything between two convolutions, in one pass over memory."""

    path: str
    terms: tuple[Term, ...]
    relu: bool
    y: Value

    @property
    def inputs(self) -> tuple:
        return tuple(t.value for t in self.terms)

    @property
    def maps(self) -> tuple:
        """The affine maps, in the order of their terms."""
        return tuple(t.affine for t in self.terms if t.affine is not None)

    @property
    def saves(self) -> tuple:
        return (*(a.y for a in self.maps if a.scales), *([self.y] if self.relu else []))

    @property
    def name(self) -> str:  # type: ignore[override]
        norm, bias = any(a.normalises for a in self.maps), any(not a.normalises for a in self.maps)
        parts = ["norm"] * norm + ["bias"] * bias + ["add"] * (len(self.terms) > 1) + ["relu"] * self.relu
        return ", ".join(parts) or "copy"


@dataclass(frozen=True, eq=False)
class MaxPool(Operation):
    """The largest value of each window; dy goes to the first place of the window that holds it."""

    path: str
    layer: Layer
    x: Value
    y: Value

    name = "max pool"

    @property
    def saves(self) -> tuple:
        return self.x, self.y


@dataclass(frozen=True, eq=False)
class AvgPool(Operation):
    """The mean of each window."""

    path: str
    layer: Layer
    x: Value
    y: Value

    name = "average pool"


@dataclass(frozen=True, eq=False)
class Mean(Operation):
    """The mean of each channel of each image: y is (C, 1, 1)."""

    path: str
    x: Value
    y: Value

    name = "mean"


@dataclass(frozen=True, eq=False)
class Entrywise(Operation):
    """An activation; x is saved because the layer's cache may be a view of it."""

    path: str
    layer: Layer
    x: Value
    y: Value

    name = "entry by entry"

    @property
    def saves(self) -> tuple:
        return (self.x,)


@dataclass(frozen=True, eq=False)
class Concat(Operation):
    """Channels side by side."""

    path: str
    parts: tuple[Value, ...]
    y: Value

    name = "concatenate"

    @property
    def inputs(self) -> tuple:
        return self.parts


@dataclass(frozen=True, eq=False)
class Excite(Operation):
    """y = s x, one s for each channel of each image."""

    path: str
    x: Value
    s: Value
    y: Value

    name = "scale channels"

    @property
    def inputs(self) -> tuple:
        return self.x, self.s

    @property
    def saves(self) -> tuple:
        return self.inputs


@dataclass(frozen=True, eq=False)
class Gate(Operation):
    """y = t f + (1 - t) x, or f + (1 - t) x; see :class:`minires.layers.Gate` for its three terms."""

    path: str
    layer: GateLayer
    x: Value
    f: Value
    t: Value
    y: Value

    name = "gate"

    @property
    def inputs(self) -> tuple:
        return self.x, self.f, self.t

    @property
    def saves(self) -> tuple:
        return self.inputs


@dataclass(frozen=True, eq=False)
class Foreign(Operation):
    """A layer that no rule fits, by its own forward and backward. ``own``: whether it has methods of its user."""

    path: str
    layer: Layer
    x: Array
    y: Array
    own: bool

    @property
    def name(self) -> str:  # type: ignore[override]
        return f"{type(self.layer).__name__} (layer)"
