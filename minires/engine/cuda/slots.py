"""Arrays that a launch names before they have a place, and launches that the host makes."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...layers.base import Buffer


@dataclass(frozen=True, eq=False)
class Slot:
    """An array of a plan: it gets a place in the arena. In launches it stands where the array will stand."""

    shape: tuple[int, ...]
    dtype: np.dtype

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        return self.size * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]


@dataclass(frozen=True, eq=False)
class Behind:
    """What stands in a slot from the number ``begin`` on."""

    slot: Slot
    begin: int


@dataclass(frozen=True, eq=False)
class Constant:
    """An array that the host makes once."""

    value: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        return self.value.shape


@dataclass(frozen=True, eq=False)
class Given:
    """An array with memory of its own, which is given to all frames: what a step is fed, what it leaves."""

    shape: tuple[int, ...]
    dtype: np.dtype

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        return self.size * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]


@dataclass(frozen=True, eq=False)
class Held:
    """The array of a tensor of the model, or its gradient: none where it is frozen."""

    tensor: Buffer
    gradient: bool = False

    @property
    def array(self) -> Any:
        if not self.gradient:
            return self.tensor.data
        return None if self.tensor.frozen else self.tensor.grad  # type: ignore[attr-defined]


@dataclass(frozen=True, eq=False)
class Addresses:
    """Where the arrays of several tensors begin: int64 numbers on the device."""

    held: tuple[Held, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.held),)


@dataclass(frozen=True, eq=False)
class Call:
    """``run(frame)`` by the host, between launches. slots: what it reads and writes"""

    run: Callable[[Any], None]
    slots: tuple[Slot, ...]


@dataclass(frozen=True, eq=False)
class Unless:
    """A launch that is left out while ``tensor`` is frozen."""

    tensor: Any
    launch: Any


def slots_of(item: Any) -> tuple:
    """The slots that a launch or call names."""
    if isinstance(item, Call):
        return item.slots
    launch = item.launch if isinstance(item, Unless) else item
    found = [a.slot if isinstance(a, Behind) else a for a in launch.arguments]
    return tuple(a for a in found if isinstance(a, Slot))


def launches_of(item: Any) -> int:
    """How many launches an item makes: a call one for each value that it loads or stores, and those of its layer."""
    return len(item.slots) if isinstance(item, Call) else 1
