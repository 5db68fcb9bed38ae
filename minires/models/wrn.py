"""Wide residual networks for small images: Zagoruyko and Komodakis 2016."""

from functools import partial

from ..errors import RangeError
from ..initializers import generator
from ..layers import Dropout, Sequential
from .blocks import basic_convs, conv_branch, residual_block
from .family import Family
from .network import assemble, blocks_per_stage, small_stem


def wrn(depth, factor, *, num_classes=10, in_channels=3, dropout=0.0, rng):
    """WRN-d-k: pre-activated basic blocks with 16 k, 32 k, 64 k channels, k = ``factor``, depth d = 6n + 4.

    x: (N, in_channels, H, W), any H, W >= 1   y: (N, num_classes)
    dropout: p of a dropout between the two convolutions of each block, 0 for none; the paper has 0.3 for CIFAR
    Convolutions start with He's normal weights by fan-in. Raises RangeError for another depth or p.
    """
    count = blocks_per_stage(depth, 2, rest=4)
    rng = generator(rng)
    return assemble(
        small_stem(in_channels, 16, "", rng=rng),
        partial(wide_block, dropout=dropout, rng=rng),
        channels=16,
        widths=(16 * factor, 32 * factor, 64 * factor),
        counts=(count,) * 3,
        tail="bn relu",
        num_classes=num_classes,
        rng=rng,
    )


def wide_block(in_channels, out_channels, stride, *, dropout=0.0, rng):
    """F = BN - ReLU - conv3x3 - BN - ReLU - dropout - conv3x3; where channels change, a 1x1 convolution as shortcut.

    The first BN - ReLU feeds both then. Figure 1 (d) of the paper.
    """
    if isinstance(dropout, bool) or not isinstance(dropout, (int, float)) or not 0 <= dropout < 1:
        raise RangeError(f"dropout is {dropout!r}, expected 0 <= dropout < 1, the probability to drop an entry")
    rng = generator(rng)
    branch = conv_branch(in_channels, basic_convs(out_channels, stride), block="full_preact", rng=rng)
    if dropout:  # spawning draws nothing from rng: the initial weights are those without dropout
        layers = dict(branch.children())
        last = layers.pop("conv2")
        branch = Sequential(**layers, dropout=Dropout(dropout, rng=rng.spawn(1)[0]), conv2=last)
    return residual_block(branch, in_channels, out_channels, stride, "B", block="full_preact", rng=rng)


FAMILIES = (
    Family(
        "wrn_{6n+4}_{k}",
        "wrn_([1-9][0-9]*)_([1-9][0-9]{0,2})",
        wrn,
        "wide residual network for small images, k times as wide; dropout=p",
        ("wrn_10_1", "wrn_16_4", "wrn_16_8", "wrn_28_10", "wrn_40_1", "wrn_40_4"),
        32,
        10,
        (
            "The depth counts the 1x1 convolutions of shortcuts, not the linear layer; k = 1 has one of them less.",
            "The shortcut is a 1x1 convolution where channels change, without batch norm, behind the first BN-ReLU.",
        ),
        depth=lambda depth, factor: depth,
    ),
)
