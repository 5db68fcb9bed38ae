"""What can be chosen on the page, and the network of a choice."""

import math
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from ..errors import RangeError
from ..layers import Sequential
from ..layers.checks import is_integer
from ..models import build
from ..models.blocks import SHORTCUTS
from ..models.placement import PLACEMENTS

PLAIN = "plain"
NORMS: dict[str, dict[str, Any]] = {
    "batch": {},
    "zero-gamma": {"init": "zero-gamma"},
    "none": {"norm": None},
    "skipinit": {"norm": None, "init": "skipinit"},
    "fixup": {"norm": None, "init": "fixup"},
}
CHOICES: dict[str, tuple[Any, ...]] = {
    "block": (PLAIN, *PLACEMENTS),
    "shortcut": SHORTCUTS,
    "depth": (8, 20, 32, 56),
    "norm": tuple(NORMS),
}
DATA = ("digits", "clothes")
RATES = (0.01, 0.03, 0.1, 0.3, 1.0)


@dataclass(frozen=True)
class Choice:
    """How one of the networks is built.

    block: "plain", without shortcuts, or a kind of block of :func:`minires.models.cifar_resnet`; shortcut: likewise
    depth: 6n + 2 layers   norm: "batch", "zero-gamma" (batch norm whose last gamma of a branch is 0), or without batch
    norm "none", "skipinit" or "fixup"
    Raises RangeError for what is not in CHOICES, and for a plain network without batch norm, which there is not.
    """

    block: str = "original"
    shortcut: str = "A"
    depth: int = 20
    norm: str = "batch"

    def __post_init__(self):
        for name, value in asdict(self).items():
            one_of(name, value, CHOICES[name])
        if self.block == PLAIN and (self.shortcut, self.norm) != ("A", "batch"):
            raise RangeError(
                f"block is 'plain', shortcut {self.shortcut!r} and norm {self.norm!r}: a plain network has no "
                "shortcut, and batch norm; leave them at 'A' and 'batch'"
            )

    @classmethod
    def of(cls, request: Any) -> Self:
        """The choice of a dict, whose other fields have their defaults."""
        return cls(**known(request, [field.name for field in fields(cls)], "a network"))

    @property
    def model(self) -> str:
        """The name of the network in :func:`minires.models.build`."""
        return f"digits_{PLAIN if self.block == PLAIN else 'resnet'}{self.depth}"

    @property
    def options(self) -> dict[str, Any]:
        """The options that go with the name, less those that are as by default."""
        if self.block == PLAIN:
            return {}
        chosen = {"block": self.block, "shortcut": self.shortcut}
        return {name: v for name, v in chosen.items() if v != getattr(Choice, name)} | NORMS[self.norm]

    def build(self, seed: int) -> Sequential:
        """The network with fresh weights: one gray channel, ten classes."""
        return build(self.model, rng=seed, **self.options)

    def command(self, seed: int) -> str:
        """How to build it in Python."""
        options = "".join(f", {name}={value!r}" for name, value in self.options.items())
        return f'minires.models.build("{self.model}", rng={seed}{options})'.replace("'", '"')


def known(request: Any, names: Any, what: str) -> dict[str, Any]:
    """``request``, if it is a dict that has no other keys than ``names``."""
    if not isinstance(request, dict):
        raise RangeError(f"{what} is {shown(request)}, expected an object with {', '.join(names)}: correct the request")
    if extra := [key for key in request if key not in names]:
        raise RangeError(f"{what} has {shown(extra[0])}, expected only {', '.join(names)}: leave it out")
    return request


def one_of(name: str, value: Any, choices: tuple[Any, ...]) -> Any:
    """``value``, if it is one of ``choices`` and of its type (true is not 1)."""
    if not any(type(value) is type(choice) and value == choice for choice in choices):
        raise RangeError(f"{name} is {shown(value)}, expected one of {', '.join(map(str, choices))}: choose one")
    return value


def whole(name: str, value: Any, low: int, high: int) -> int:
    """``value``, if it is an integer from ``low`` to ``high``."""
    if not is_integer(value) or not low <= value <= high:
        raise RangeError(f"{name} is {shown(value)}, expected an integer from {low} to {high}: correct it")
    return value


def rate(value: Any) -> float:
    """``value``, if it can be a learning rate."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= 10 or math.isnan(value):
        raise RangeError(f"lr is {shown(value)}, expected a number above 0, at most 10: correct it")
    return float(value)


def shown(value: Any) -> str:
    """A value of a request in a message, short."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."
