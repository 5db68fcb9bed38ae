"""What travels on the trunk: how x_l grows, its sign, and which weight layers see it without a normalisation.

Three of the five placements of the activations leave the same "1" (relu_before_add, relu_only_preact, full_preact), and
train differently: a branch that ends in a ReLU can only add, so that x_l grows and is never negative, and a convolution
that no normalisation precedes sees all that has piled up on the trunk.
He et al. 2016, "Identity Mappings in Deep Residual Networks", section 4.1, figure 4 and table 2.
"""

import math
from dataclasses import dataclass

from ..layers import BatchNorm1d, BatchNorm2d, Conv2d, GroupNorm, Linear, ReLU, ReLU6, Residual, Sequential
from ..layers.tree import join
from ..layers.known import kind_of
from .norms import norm

NORMS = (BatchNorm1d, BatchNorm2d, GroupNorm)
HEAD = "the head"


@dataclass(frozen=True)
class Level:
    """x_l before the block at ``path``, or before the head: its root mean square, the part of it below 0, and
    ``unnormalised``, the paths of the block's weight layers that no normalisation precedes since the last addition.
    ``only_adds``: whether the residual branch ends in a ReLU.
    """

    path: str
    rms: float
    negative: float
    unnormalised: tuple
    only_adds: bool = False


def levels(trunk):
    """A :class:`Level` for each block of a :class:`~minires.trace.trunk.Trunk`, and one for the head."""
    found, head, normalised = [], [], False
    for block in trunk.chain:
        seen = []
        for part in block.parts:
            normalised = _look(part.path, part.layer, normalised, seen)
        if block.link:
            head += seen
        else:
            head = []  # what comes before the next block is not the head
            found.append(_level(block.path, block.x, seen, block.fork and _ends_in_relu(block.fork.layer)))
    return (*found, _level(HEAD, trunk.blocks[-1].y, head)) if found else ()


def _level(path, x, unnormalised, only_adds=False):
    negative = float((x < 0).sum()) / x.size
    return Level(path, norm(x) / math.sqrt(x.size), negative, tuple(unnormalised), bool(only_adds))


def _ends_in_relu(fork):
    last = fork.branch if kind_of(fork) is Residual else None
    while last is not None and kind_of(last) is Sequential and len(last):
        last = last[-1]
    return last is not None and kind_of(last) in (ReLU, ReLU6)


def _look(path, layer, normalised, unnormalised):
    """Go through a layer, note its weight layers that see what is not normalised, and tell whether its output is."""
    kind = kind_of(layer)
    if kind in NORMS:
        return True
    if kind in (Conv2d, Linear):
        if not normalised:
            unnormalised.append(path)
        return False
    children = list(layer.children())
    for name, child in children:
        out = _look(join(path, name), child, normalised, unnormalised)
        normalised = out if kind is Sequential else normalised
    return normalised if kind is Sequential or not children else False
