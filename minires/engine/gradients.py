"""Gradients on their way: a value that several operations read collects one contribution from each.

Most contributions need no memory of their own. The gradient of a sum is the same array for each of its terms, that of
a batch norm is affine in what stands already there; both are kept as descriptions (:class:`Alias`, :class:`Strided`,
:class:`Scaled`) of a buffer, and computed where the sum is wanted.
"""

from dataclasses import dataclass

from .affine import Affine
from .values import Record, Term


@dataclass(frozen=True, eq=False)
class Buffer(Record):
    """The gradient of one value, or of several of equal shape one after the other. Which memory, a device decides."""

    number: int
    channels: int
    size: tuple[int, int]


@dataclass(frozen=True)
class Alias:
    """The buffer itself."""

    buffer: Buffer


@dataclass(frozen=True)
class Scaled:
    """Z, the buffer, through an affine map: scale (Z + slope y + level), see :mod:`~minires.engine.affine`.

    With ``scaled=False`` the factor is left to the filters of the convolution that y comes from.
    """

    buffer: Buffer
    affine: Affine
    scaled: bool


@dataclass(frozen=True)
class Strided:
    """Into every step-th pixel and some of the channels: the transpose of a part, see :class:`~.values.Term`."""

    buffer: Buffer
    term: Term


Contribution = Alias | Scaled | Strided


@dataclass(frozen=True)
class Target:
    """Where an operation writes its share of a gradient; ``adds``: whether others stand there already."""

    buffer: Buffer
    adds: bool
