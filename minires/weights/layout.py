"""How another library calls the tensors of a network, and what a network needs to compute the same as there."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

TENSORS = {"gamma": "weight", "beta": "bias"}  # what PyTorch calls the tensors of a batch norm
IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


@dataclass(frozen=True)
class Layout:
    """The names of one library for the networks of a family.

    models: regex of the names of our networks   rename: path of a tensor in minires -> its name there
    options: of :func:`~minires.models.build`, that the network needs to be the one of that library
    mean, std: of RGB in [0, 1], with which it wants its images normalised; None where files differ in it
    axes: {regex of a name there: number of axes}, where a 1x1 convolution here is a linear layer there or the reverse
    """

    name: str
    models: str
    rename: Callable
    options: dict = field(default_factory=dict)
    mean: tuple | None = None
    std: tuple | None = None
    axes: dict = field(default_factory=dict)

    def shape(self, name, shape):
        """The shape there of the tensor called ``name`` there, which has ``shape`` here."""
        wanted = next((axes for regex, axes in self.axes.items() if re.fullmatch(regex, name)), len(shape))
        if set(shape[2:]) - {1} or len(shape) < 2:
            return shape
        return (*shape[:2], *(1,) * (wanted - 2))


def renaming(*rules):
    """A function that replaces, one rule after the other, ``(regex, replacement)`` in a path, then names its tensor."""
    compiled = [(re.compile(regex), replacement) for regex, replacement in rules]

    def rename(path):
        for regex, replacement in compiled:
            path = regex.sub(replacement, path)
        layer, dot, tensor = path.rpartition(".")
        return f"{layer}{dot}{TENSORS.get(tensor, tensor)}"

    return rename


def stage_number(letters, shift):
    """Replacement of ``stage(\\d+)``: ``letters`` and the number of the stage plus ``shift``."""
    return lambda match: f"{letters}{int(match[1]) + shift}"


OWN = Layout("minires", ".*", lambda path: path)
