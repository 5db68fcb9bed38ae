"""The residual and plain networks for small images of He et al. 2015, section 4.2: depth 6n + 2."""

from functools import partial

import numpy as np

from ..errors import RangeError
from ..initializers import generator
from ..layers import Flatten, GlobalAvgPool2d, Linear, Sequential
from .blocks import GATE_BIAS, PLACEMENTS, activations, basic_block, check_options, conv3x3, plain_block

WIDTHS = (16, 32, 64)


def cifar_resnet(
    depth, *, num_classes=10, in_channels=3, shortcut="A", block="original", gate_bias=GATE_BIAS, rng
):
    """conv3x3 - BN - ReLU, three stages of n basic blocks with 16, 32, 64 channels, global mean, linear.

    x: (N, in_channels, H, W), any H, W >= 1   y: (N, num_classes)   depth = 6n + 2
    The first block of the second and third stage has stride 2. Convolutions start with He's normal weights by fan-in.

    ``block``: where the activations stand: "original", "bn_after_add", "relu_before_add", "relu_only_preact",
    "full_preact" (see :func:`~minires.models.blocks.basic_block`). The stem of "relu_only_preact" is conv3x3 - BN
    and its tail ReLU; the stem of "full_preact" is conv3x3 and its tail BN - ReLU.
    ``shortcut``: "A", "A-both", "B", "C", "scale", "scale-shortcut", "exclusive-gate", "shortcut-gate", "conv1x1",
    "dropout" (see :func:`~minires.models.blocks.shortcut`); ``gate_bias``: the first bias of the two gates.
    Raises RangeError for another depth, shortcut, block or bias.
    """
    check_options(block, shortcut, gate_bias)
    rng = generator(rng)
    make = partial(basic_block, option=shortcut, block=block, gate_bias=gate_bias, rng=rng)
    return _assemble(make, PLACEMENTS[block], depth, num_classes, in_channels, rng)


def cifar_preact_resnet(depth, *, num_classes=10, in_channels=3, shortcut="A", gate_bias=GATE_BIAS, rng):
    """:func:`cifar_resnet` with block="full_preact": ResNet v2, He et al. 2016."""
    return cifar_resnet(
        depth,
        num_classes=num_classes,
        in_channels=in_channels,
        shortcut=shortcut,
        block="full_preact",
        gate_bias=gate_bias,
        rng=rng,
    )


def cifar_plain(depth, *, num_classes=10, in_channels=3, rng):
    """The plain network of the same shape as :func:`cifar_resnet`: no shortcut, the same parameters."""
    rng = generator(rng)
    return _assemble(partial(plain_block, rng=rng), PLACEMENTS["original"], depth, num_classes, in_channels, rng)


def _assemble(block, placement, depth, num_classes, in_channels, rng):
    if not isinstance(depth, (int, np.integer)) or depth < 8 or (depth - 2) % 6:
        raise RangeError(f"depth is {depth!r}, expected 6n + 2 with an integer n of at least 1: 8, 14, 20, ...")
    stem = Sequential(
        conv=conv3x3(in_channels, WIDTHS[0], rng=rng),
        **activations(placement.stem, WIDTHS[0]),
    )
    stages, width = {}, WIDTHS[0]
    for s, out_width in enumerate(WIDTHS, start=1):
        blocks = []
        for b in range((depth - 2) // 6):
            blocks.append(block(width, out_width, stride=2 if s > 1 and b == 0 else 1))
            width = out_width
        stages[f"stage{s}"] = Sequential(*blocks)
    head = Sequential(
        **activations(placement.tail, width),
        pool=GlobalAvgPool2d(),
        flatten=Flatten(),
        fc=Linear(width, num_classes, rng=rng),
    )
    return Sequential(stem=stem, **stages, head=head)
