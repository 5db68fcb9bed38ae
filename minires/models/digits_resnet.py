"""Residual and plain networks for images of 8 x 8 pixels: deep ones train on the digits within seconds.

They are the networks for small images of He et al. 2015, section 4.2, with half of the channels, 8, 16 and 32.
"""

from functools import partial
from typing import Any

from ..initializers import generator
from .blocks import GATE_BIAS, basic_block, check_options, plain_block
from .cifar_resnet import three_stages
from .family import Family
from .network import he_by_fan_out
from .placement import PLACEMENTS, placement_of
from .unnormalised import check_start, start_branches

WIDTHS = (8, 16, 32)
DEPTHS = (8, 20, 32, 44, 56, 110)


def digits_resnet(
    depth,
    *,
    num_classes=10,
    in_channels=1,
    shortcut="A",
    block="original",
    gate_bias=GATE_BIAS,
    norm="batch",
    init=None,
    widths=WIDTHS,
    tail=None,
    rng,
):
    """conv3x3 - BN - ReLU, three stages of n basic blocks with 8, 16, 32 channels, global mean, linear.

    x: (N, in_channels, H, W), any H, W >= 1   y: (N, num_classes)   depth = 6n + 2
    Options: see :func:`~minires.models.cifar_resnet`.
    Convolutions start with He's normal weights by fan-out. Raises RangeError for another depth or option.
    """
    check_options(block, shortcut, gate_bias)
    check_start(norm, init, tail)
    rng = generator(rng)
    make = partial(basic_block, shortcut=shortcut, block=block, gate_bias=gate_bias, rng=rng)
    model = three_stages(make, placement_of(block, tail), depth, num_classes, in_channels, rng, widths=widths)
    return start_branches(he_by_fan_out(model), norm, init)


def digits_plain(depth, *, num_classes=10, in_channels=1, widths=WIDTHS, rng):
    """The plain network of the same shape as :func:`digits_resnet`: no shortcut, the same parameters."""
    rng = generator(rng)
    make = partial(plain_block, rng=rng)
    stages = three_stages(make, PLACEMENTS["original"], depth, num_classes, in_channels, rng, widths=widths)
    return he_by_fan_out(stages)


_SIZES: dict[str, Any] = {"image": 8, "num_classes": 10, "in_channels": 1}

FAMILIES = (
    Family(
        "digits_resnet{6n+2}",
        "digits_resnet([1-9][0-9]*)",
        digits_resnet,
        "residual network for 8 x 8 pixels; shortcut, block, norm, init, widths, tail as those of resnet{6n+2}",
        tuple(f"digits_resnet{depth}" for depth in DEPTHS),
        notes=("resnet{6n+2} with half of its channels, and weights that start by fan-out.",),
        **_SIZES,
    ),
    Family(
        "digits_plain{6n+2}",
        "digits_plain([1-9][0-9]*)",
        digits_plain,
        "the plain network of the same shape, without shortcuts; widths",
        tuple(f"digits_plain{depth}" for depth in DEPTHS),
        notes=("It has the weights of the residual network with shortcut=A from the same seed.",),
        **_SIZES,
    ),
)
