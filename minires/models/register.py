"""The register of networks: which names exist, and how the network of a name is built.

The file of a family ends with its ``FAMILIES``; here they are joined.
"""

import ast
import difflib
import inspect
import re
from collections.abc import Iterable
from typing import Any

from ..errors import DTypeError, RangeError
from ..initializers import Rng, Undrawn
from ..layers import Sequential
from ..layers.checks import is_integer
from . import (
    cifar_resnet,
    densenet,
    digits_resnet,
    googlenet,
    highway,
    ho_resnet,
    nin,
    preact,
    res2net,
    resnet,
    resnext_cifar,
    rexnet,
    se,
    vgg,
    wrn,
)
from .family import Family

# The first family with a fitting name wins: ImageNet's resnet50 comes before the resnet{6n+2} for small images
_FILES = (
    resnet,
    preact,
    resnext_cifar,
    se,
    wrn,
    cifar_resnet,
    digits_resnet,
    res2net,
    rexnet,
    densenet,
    googlenet,
    vgg,
    nin,
    highway,
    ho_resnet,
)
FAMILIES = tuple(family for file in _FILES for family in file.FAMILIES)
LIMITS = {"num_classes": 1_000_000, "in_channels": 2048}  # more is a slip, and would fill the memory
MOST = 2**31  # of an option
DIGITS = 30  # of a number in a name
SIZES = ("name", "num_classes", "in_channels", "image", "rng", "path", "layout", "entry")  # said elsewhere
EXAMPLES = tuple(example for family in FAMILIES for example in family.examples)


def build(
    name: str, *, num_classes: int | None = None, in_channels: int | None = None, rng: Rng | None, **options: Any
) -> Sequential:
    """Build the network called ``name`` with fresh weights.

    x: (N, in_channels, H, W)   y: (N, num_classes), by default as many as the published networks of the family have
    ``rng`` is a ``numpy.random.Generator`` or a seed. With None nothing is drawn: weights are zeros that take no memory
    before they are written to, for a network to count or to load. ``options`` go to the constructor of the family.
    Raises RangeError for an unknown name, size or option; that of a name suggests the nearest ones.
    """
    family, numbers = find(name)
    num_classes = family.num_classes if num_classes is None else num_classes
    in_channels = family.in_channels if in_channels is None else in_channels
    for setting, value in (("num_classes", num_classes), ("in_channels", in_channels)):
        if not is_integer(value) or value < 1:
            raise RangeError(f"{name}: {setting} is {value!r}, expected an integer of at least 1")
        if value > LIMITS[setting]:
            raise RangeError(f"{name}: {setting} is {value}, expected at most {LIMITS[setting]:,}")
    check_options(name, options)
    rng = Undrawn() if rng is None else rng
    try:
        return family.build(*numbers, num_classes=num_classes, in_channels=in_channels, rng=rng, **options)
    except RangeError as error:
        raise RangeError(f"{name}: {error}") from error


def find(name: str) -> tuple[Family, tuple[int | str, ...]]:
    """(family, numbers) of a name: "wrn_28_10" -> (the Family of wide residual networks, (28, 10)).

    Raises RangeError, which suggests the nearest names, where no family has it. Whether a member has these numbers
    is for the constructor to say.
    """
    if not isinstance(name, str):
        raise DTypeError(f"the name of a model is {name!r} ({type(name).__name__}), expected a string: 'resnet20'")
    for family in FAMILIES:
        if match := re.fullmatch(family.regex, name, re.ASCII):
            digits = max(map(len, match.groups()), default=0)
            if digits > DIGITS:
                raise RangeError(f"{name[:40]}: a number in the name has {digits} digits, expected at most {DIGITS}")
            return family, tuple(int(group) if group.isdigit() else group for group in match.groups())
    near = ", ".join(difflib.get_close_matches(name, EXAMPLES, n=3, cutoff=0.5)) or "resnet20"
    raise RangeError(f"no model is called {name!r}: try {near}; minires models lists the families")


def parse_options(texts: Iterable[str], **options: Any) -> dict[str, Any]:
    """``options`` and those of ``texts``: "dropout=0.3" is 0.3; what is no number, bool or None stays text."""
    for text in texts:
        key, equals, value = text.partition("=")
        if not (key and equals and value):
            raise RangeError(f"option is {text!r}, expected KEY=VALUE: --option stride_on=1x1")
        if key in options:
            raise RangeError(f"option {key} is given twice, {options[key]!r} and {value!r}: leave one out")
        try:
            options[key] = ast.literal_eval(value)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            options[key] = value
    if extra := [name for name in options if name in SIZES]:
        raise RangeError(f"option {extra[0]} is no option of a family, expected such as dropout=0.3: leave it out")
    return options


def check_options(name, options):
    """Raise RangeError unless the network called ``name`` takes the ``{option: value}``, and no number is absurd."""
    known = options_of(find(name)[0])
    for option, value in options.items():
        if option not in known:
            raise RangeError(f"{name} has no option {option!r}, expected {' or '.join(sorted(known)) or 'none'}")
        if is_integer(value) and abs(value) > MOST:
            raise RangeError(f"{name}: {option} is {value}, expected at most {MOST:,}")


def options_of(family: Family) -> dict[str, Any]:
    """{name: default} of what ``build`` takes for the networks of a family besides the sizes and the generator."""
    parameters = inspect.signature(family.build).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY and p.name not in SIZES}
