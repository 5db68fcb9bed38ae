"""How another library calls the tensors of a network, and what a network needs to compute the same as there."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

TENSORS = {"gamma": "weight", "beta": "bias"}  # what PyTorch calls the tensors of a batch norm
IMAGENET: dict[str, Any] = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


@dataclass(frozen=True)
class Layout:
    """The names of one library for the networks of a family.

    models: regex of the names of our networks   rename: f(paths of the tensors in minires) -> {path: its name there}
    options: of :func:`~minires.models.build`, that the network needs to be the one of that library
    mean, std: of RGB in [0, 1], with which it wants its images normalised; None where files differ in it
    kernels: {regex of a name there: kernel there}, where a linear layer here is a convolution with that kernel there,
    or () where a 1x1 convolution here is a linear layer there
    """

    name: str
    models: str
    rename: Callable
    options: dict = field(default_factory=dict)
    mean: tuple | None = None
    std: tuple | None = None
    kernels: dict = field(default_factory=dict)

    def shape(self, name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape there of the tensor called ``name`` there, which has ``shape`` here."""
        kernel = next((kernel for regex, kernel in self.kernels.items() if re.fullmatch(regex, name)), None)
        if kernel is None or len(shape) < 2:
            return shape
        return (shape[0], math.prod(shape[1:]) // math.prod(kernel), *kernel)


def renaming(*rules):
    """A Layout's ``rename`` that replaces, one rule after the other, ``(regex, replacement)`` in each path."""
    compiled = [(re.compile(regex), replacement) for regex, replacement in rules]

    def name(path):
        for regex, replacement in compiled:
            path = regex.sub(replacement, path)
        layer, dot, tensor = path.rpartition(".")
        return f"{layer}{dot}{TENSORS.get(tensor, tensor)}"

    return lambda paths: {path: name(path) for path in paths}


def shifted(template, *shifts):
    """A replacement: ``template`` with the numbers in the groups of the match, to which ``shifts`` are added."""
    return lambda match: template.format(*(int(group) + shift for group, shift in zip(match.groups(), shifts)))


OWN = Layout("minires", ".*", lambda paths: {path: path for path in paths})
