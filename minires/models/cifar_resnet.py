"""The residual and plain networks for small images of He et al. 2015, section 4.2: depth 6n + 2."""

from functools import partial

import numpy as np

from ..errors import RangeError
from ..initializers import generator
from ..layers import BatchNorm2d, Flatten, GlobalAvgPool2d, Linear, ReLU, Sequential
from .blocks import basic_block, conv3x3, plain_block

WIDTHS = (16, 32, 64)


def cifar_resnet(depth, *, num_classes=10, in_channels=3, shortcut="A", rng):
    """conv3x3 - BN - ReLU, three stages of n basic blocks with 16, 32, 64 channels, global mean, linear.

    x: (N, in_channels, H, W), any H, W >= 1   y: (N, num_classes)   depth = 6n + 2
    The first block of the second and third stage has stride 2. ``shortcut``: "A", "A-both", "B", "C"
    (see :func:`~minires.models.blocks.shortcut`). Convolutions start with He's normal weights by fan-in.
    Raises RangeError for another depth or shortcut.
    """
    rng = generator(rng)
    return _assemble(partial(basic_block, option=shortcut, rng=rng), depth, num_classes, in_channels, rng)


def cifar_plain(depth, *, num_classes=10, in_channels=3, rng):
    """The plain network of the same shape as :func:`cifar_resnet`: no shortcut, the same parameters."""
    rng = generator(rng)
    return _assemble(partial(plain_block, rng=rng), depth, num_classes, in_channels, rng)


def _assemble(block, depth, num_classes, in_channels, rng):
    if not isinstance(depth, (int, np.integer)) or depth < 8 or (depth - 2) % 6:
        raise RangeError(f"depth is {depth!r}, expected 6n + 2 with an integer n of at least 1: 8, 14, 20, ...")
    stem = Sequential(
        conv=conv3x3(in_channels, WIDTHS[0], rng=rng),
        bn=BatchNorm2d(WIDTHS[0]),
        relu=ReLU(),
    )
    stages, width = {}, WIDTHS[0]
    for s, out_width in enumerate(WIDTHS, start=1):
        blocks = []
        for b in range((depth - 2) // 6):
            blocks.append(block(width, out_width, stride=2 if s > 1 and b == 0 else 1))
            width = out_width
        stages[f"stage{s}"] = Sequential(*blocks)
    head = Sequential(pool=GlobalAvgPool2d(), flatten=Flatten(), fc=Linear(width, num_classes, rng=rng))
    return Sequential(stem=stem, **stages, head=head)
