"""Networks by name: ``build("resnet20", num_classes=10, in_channels=3, rng=0)``.

Names are generative: every depth 6n + 2 of a family can be built, not only the ones in tables.
"""

import difflib
import inspect
import re

import numpy as np

from ..errors import DTypeError, RangeError
from . import lesions
from .blocks import PLACEMENTS, SHORTCUTS
from .cifar_resnet import cifar_plain, cifar_preact_resnet, cifar_resnet
from .summary import Summary, summarize

__all__ = ["FAMILIES", "Summary", "build", "cifar_plain", "cifar_preact_resnet", "cifar_resnet", "lesions", "summarize"]

IMAGENET_DEPTHS = (18, 34, 50, 101, 152)

# family: constructor(depth, ...), what it is. The name of a member is the family and its depth 6n + 2
FAMILIES = {
    "resnet": (
        cifar_resnet,
        f"residual network for small images; shortcut={', '.join(SHORTCUTS)}; block={', '.join(PLACEMENTS)}",
    ),
    "preact_resnet": (cifar_preact_resnet, "the same with block=full_preact, ResNet v2"),
    "plain": (cifar_plain, "the plain network of the same shape, without shortcuts"),
}
EXAMPLES = tuple(f"{family}{6 * n + 2}" for family in FAMILIES for n in (1, 2, 3, 5, 7, 9, 18, 200))


def build(name, *, num_classes=10, in_channels=3, rng, **options):
    """Build the network called ``name`` with fresh weights.

    x: (N, in_channels, H, W)   y: (N, num_classes)
    ``rng`` is a ``numpy.random.Generator`` or a seed; ``options`` go to the constructor of the family.
    Raises RangeError for an unknown name, size or option; that of a name suggests the nearest ones.
    """
    family, depth = _parse(name)
    for setting, value in (("num_classes", num_classes), ("in_channels", in_channels)):
        if not isinstance(value, (int, np.integer)) or value < 1:
            raise RangeError(f"{name}: {setting} is {value!r}, expected an integer of at least 1")
    constructor, _ = FAMILIES[family]
    known = set(inspect.signature(constructor).parameters) - {"depth", "num_classes", "in_channels", "rng"}
    for option in options:
        if option not in known:
            raise RangeError(f"{name} has no option {option!r}, expected {' or '.join(sorted(known)) or 'none'}")
    return constructor(depth, num_classes=num_classes, in_channels=in_channels, rng=rng, **options)


def _parse(name):
    """"resnet20" -> ("resnet", 20), or an error that suggests the nearest names."""
    if not isinstance(name, str):
        raise DTypeError(f"the name of a model is {name!r} ({type(name).__name__}), expected a string: 'resnet20'")
    match = re.fullmatch("([a-z_]+)([1-9][0-9]*)", name)
    if match is None or match[1] not in FAMILIES:
        near = ", ".join(difflib.get_close_matches(name, EXAMPLES, n=3, cutoff=0.5)) or "resnet20"
        families = ", ".join(f"{family}{{6n+2}}" for family in FAMILIES)
        raise RangeError(f"no model is called {name!r}, expected one of {families}: try {near}")
    family, depth = match[1], int(match[2])
    reserved = IMAGENET_DEPTHS if family != "plain" else ()
    if depth < 8 or (depth - 2) % 6 or depth in reserved:
        n = max(depth // 6, 3)
        near = sorted({6 * k + 2 for k in range(n - 2, n + 3)} - set(reserved), key=lambda d: abs(d - depth))
        why = f"the depth is {depth}, expected 6n + 2 with n >= 1"
        if depth in reserved:
            why = "that name is ImageNet's network of another shape, expected one for small images"
        nearest = " and ".join(f"{family}{d}" for d in near[:2])
        raise RangeError(f"no model is called {name!r}: {why}; the nearest are {nearest}")
    return family, depth
