"""What a plan is made of, whatever device runs it: values, arrays, and the terms of a sum. Nothing here holds a number.

A *value* is the images of a batch between two operations, in whatever layout the device likes; an *array* is what the
layers of the definition know, (N, C, H, W) or any other shape. Both are named by numbers, so that two plans of one
network can be compared, and a device keeps what belongs to them in dictionaries of its own.
"""

from dataclasses import dataclass
from typing import Any


class Unsuited(Exception):
    """No plan can be made, so the definition runs; where the input does not fit it says so, with the right names."""

    def __str__(self) -> str:
        return super().__str__() or "the input does not fit the layers"


def require(fits: bool) -> None:
    """Leave an input that does not fit to the definition, whose errors name the layer."""
    if not fits:
        raise Unsuited


class Record:
    """Equal where all fields are equal; a dictionary finds it by its number, which costs nothing."""

    number: int

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return self.number


@dataclass(frozen=True, eq=False)
class Value(Record):
    """Images of a batch. ``size``: (H, W)"""

    number: int
    channels: int
    size: tuple[int, int]

    @property
    def shape(self) -> tuple[int, ...]:
        return self.channels, *self.size


@dataclass(frozen=True, eq=False)
class Array(Record):
    """An array as the layers know it: (N, *shape)."""

    number: int
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Term:
    """A value as it stands in a sum: behind an affine map, or a part of it with zero channels around.

    The part: every ``step``-th pixel of the channels ``start`` to ``stop``, by default all of them. A term is never
    both, so that a device needs no pass for the two at once.
    """

    value: Value
    affine: Any = None
    step: int = 1
    before: int = 0
    after: int = 0
    start: int = 0
    stop: int | None = None

    def __post_init__(self) -> None:
        if self.affine is not None and self.strided:
            raise ValueError(f"{self} is behind an affine map and a part of its value: compute the map by a join first")

    @property
    def channels(self) -> int:
        return self.before + self.width + self.after

    @property
    def width(self) -> int:
        """Channels of the part."""
        return (self.value.channels if self.stop is None else self.stop) - self.start

    @property
    def size(self) -> tuple[int, ...]:
        return tuple(-(-s // self.step) for s in self.value.size)

    @property
    def strided(self) -> bool:
        return bool(self.step > 1 or self.before or self.after or self.width < self.value.channels)

    @property
    def plain(self) -> bool:
        return self.affine is None and not self.strided


@dataclass(frozen=True)
class Sum:
    """An open sum of terms of equal shape; with ``relu`` it is closed for further terms."""

    terms: tuple[Term, ...]
    relu: bool = False

    @property
    def channels(self) -> int:
        return self.terms[0].channels

    @property
    def size(self) -> tuple[int, ...]:
        return self.terms[0].size
