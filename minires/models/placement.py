"""Where the activations of a residual network stand: He et al. 2016, "Identity Mappings", figure 4."""

from typing import NamedTuple

from ..errors import RangeError
from ..layers import BatchNorm2d, ReLU

TAIL = "bn relu"  # what may stand in front of the head with every placement


class Placement(NamedTuple):
    """Layers by name: behind the first convolution, in the branch F, behind the addition, before the head."""

    stem: str
    branch: str
    after: str
    tail: str


# What a pre-activation leaves out behind the stem, the tail makes up for: every convolution but the first has a ReLU
# before it, and the head sees a ReLU as in the original
PLACEMENTS = {
    "original": Placement("bn relu", "conv bn relu conv bn", "relu", ""),
    "bn_after_add": Placement("bn relu", "conv bn relu conv", "bn relu", ""),
    "relu_before_add": Placement("bn relu", "conv bn relu conv bn relu", "", ""),
    "relu_only_preact": Placement("bn", "relu conv bn relu conv bn", "", "relu"),
    "full_preact": Placement("", "bn relu conv bn relu conv", "", "bn relu"),
}


def activations(words, channels):
    """``{"bn": BatchNorm2d(channels), "relu": ReLU()}`` for "bn relu", {} for ""."""
    return {word: BatchNorm2d(channels) if word == "bn" else ReLU() for word in words.split()}


def placement_of(block, tail=None):
    """The :class:`Placement` of ``block``, with ``tail`` in front of the head unless that is None.

    Of figure 4 the paper gives an activation behind the last addition to the two pre-activations, (d) and (e); of (c),
    relu_before_add, it says nothing, and the code published with it builds (e). So (c) has none here, and nothing
    normalises what has grown with every block before the classes see it, unless ``tail`` is "bn relu".
    """
    if tail not in (None, TAIL):
        raise RangeError(f"tail is {tail!r}, expected None, for that of the placement, or {TAIL!r}")
    return PLACEMENTS[block] if tail is None else PLACEMENTS[block]._replace(tail=tail)
