"""Blocks: functions from channels, stride and a generator to a layer. No model contains backward code."""

from ..errors import RangeError
from ..layers import BatchNorm2d, Conv2d, PadChannels, ReLU, Residual, Sequential, Subsample

OPTIONS = ("A", "A-both", "B", "C")


def conv3x3(in_channels, out_channels, stride=1, *, rng):
    """A 3x3 convolution that keeps the image size (at stride 1), without the bias that batch norm would cancel."""
    return Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, rng=rng)


def shortcut(in_channels, out_channels, stride, option, *, rng):
    """The shortcut of a residual block, or None for the identity. He et al. 2015, section 3.3 and 4.1.

    A: where the shape changes, every stride-th pixel and zero channels at the end; no parameters
    A-both: the same with half of the zero channels in front (the akamaster implementation for CIFAR)
    B: where the shape changes, a 1x1 convolution and batch norm; C: that everywhere
    """
    if option not in OPTIONS:
        raise RangeError(f"shortcut is {option!r}, expected one of {', '.join(OPTIONS)}")
    if option == "C" or (option == "B" and (stride != 1 or in_channels != out_channels)):
        return Sequential(
            conv=Conv2d(in_channels, out_channels, 1, stride=stride, rng=rng), bn=BatchNorm2d(out_channels)
        )
    if stride == 1 and in_channels == out_channels:
        return None
    extra = out_channels - in_channels
    before = extra // 2 if option == "A-both" else 0
    return Sequential(subsample=Subsample(stride), pad=PadChannels(before, extra - before))


def basic_branch(in_channels, out_channels, stride, *, rng):
    """conv3x3(S) - BN - ReLU - conv3x3 - BN: the F(x) of a basic block. He et al. 2015, figure 5 left."""
    return Sequential(
        conv1=conv3x3(in_channels, out_channels, stride, rng=rng),
        bn1=BatchNorm2d(out_channels),
        relu1=ReLU(),
        conv2=conv3x3(out_channels, out_channels, rng=rng),
        bn2=BatchNorm2d(out_channels),
    )


def basic_block(in_channels, out_channels, stride, option="A", *, rng):
    """y = ReLU(shortcut(x) + F(x)), He et al. 2015, eq. 1 and 2."""
    branch = basic_branch(in_channels, out_channels, stride, rng=rng)
    return Sequential(
        add=Residual(branch, shortcut(in_channels, out_channels, stride, option, rng=rng)),
        relu=ReLU(),
    )


def plain_block(in_channels, out_channels, stride, *, rng):
    """y = ReLU(F(x)): the basic block without its shortcut, for comparison. He et al. 2015, section 3.3."""
    return Sequential(branch=basic_branch(in_channels, out_channels, stride, rng=rng), relu=ReLU())
