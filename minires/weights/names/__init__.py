"""The names that other libraries give to the tensors of our networks: one file a family, joined here."""

import re

from ...errors import RangeError
from ..layout import OWN, Layout
from . import cifar_resnet, densenet, googlenet, preact, res2net, resnet, rexnet, se, transformers, vgg, wrn

_FILES = (resnet, transformers, preact, cifar_resnet, se, wrn, res2net, rexnet, densenet, googlenet, vgg)
LAYOUTS = (OWN, *(layout for file in _FILES for layout in file.LAYOUTS))


def layouts_of(name: str) -> list[Layout]:
    """The layouts that are known for the network called ``name``; that of minires comes first."""
    return [layout for layout in LAYOUTS if re.fullmatch(layout.models, name, re.ASCII)]


def layout_called(name):
    """The :class:`~minires.weights.Layout` with this name. Raises :class:`~minires.errors.RangeError`."""
    found = next((layout for layout in LAYOUTS if layout.name == name), None)
    if found is None:
        raise RangeError(f"layout is {name!r}, expected one of {', '.join(layout.name for layout in LAYOUTS)}")
    return found
