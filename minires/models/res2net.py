"""Res2Net: Gao et al. 2019. Inside a bottleneck, groups of channels see ever larger parts of the image."""

from functools import partial

from ..initializers import generator
from ..layers import AvgPool2d, BatchNorm2d, Concat, Conv2d, ReLU, Res2, Sequential, SliceChannels
from .blocks import residual_block
from .family import Family
from .resnet import imagenet_network
from .se import REDUCTION, squeeze_excite


def res2net(depth, width, scale, *, num_classes=1000, in_channels=3, cardinality=1, se=False, rng):
    """Res2Net-50, 101, 152: ResNet whose bottlenecks have ``scale`` groups, of ``width`` channels in the first stage.

    x: (N, in_channels, H, W)   y: (N, num_classes)   Convolutions start with He's normal weights by fan-out.
    cardinality: each 3x3 has that many groups, each of ``width`` channels   se: squeeze-and-excitation behind F
    """
    rng = generator(rng)
    make = partial(res2net_block, width=width, scale=scale, cardinality=cardinality, se=se, rng=rng)
    return imagenet_network(depth, make, num_classes=num_classes, in_channels=in_channels, rng=rng)


def res2next(depth, *, num_classes=1000, in_channels=3, se=False, rng):
    """Res2NeXt: :func:`res2net` of width 4, scale 4 and cardinality 8."""
    return res2net(depth, 4, 4, num_classes=num_classes, in_channels=in_channels, cardinality=8, se=se, rng=rng)


def res2net_block(in_channels, out_channels, stride, *, width, scale, cardinality=1, se=False, rng):
    """F = conv1x1 - BN - ReLU - s groups - conv1x1 - BN, each group floor(out_channels / 4 * width / 64) channels.

    A group is conv3x3 - BN - ReLU, the last is left as it is. In most blocks each adds the result of the one before
    to its input (:class:`~minires.layers.Res2`). Where the shape changes, the groups stand apart, have the stride,
    and the last is a mean pool 3x3. One group makes the bottleneck of ResNet.
    """
    rng = generator(rng)
    group = out_channels // 4 * width // 64 * cardinality
    apart = stride != 1 or in_channels != out_channels
    convs = [_conv_bn_relu(group, group, 3, stride, cardinality, rng) for _ in range(max(scale - 1, 1))]
    if scale == 1:
        groups = convs[0]
    elif apart:
        groups = _groups_apart(convs, group, stride)
    else:
        groups = Res2(*convs)
    layers = {
        **dict(_conv_bn_relu(in_channels, group * scale, 1, 1, 1, rng).children()),
        "groups": groups,
        "conv3": Conv2d(group * scale, out_channels, 1, rng=rng),
        "bn3": BatchNorm2d(out_channels),
    }
    if se:
        layers["se"] = squeeze_excite(out_channels, out_channels // REDUCTION, rng=rng)
    return residual_block(Sequential(**layers), in_channels, out_channels, stride, "B", rng=rng)


def _groups_apart(convs, width, stride):
    """[f_1(x_1), ..., f_{s-1}(x_{s-1}), mean pool of x_s]."""
    functions = [*convs, AvgPool2d(3, stride=stride, padding=1)]
    branches = {}
    for i, function in enumerate(functions):
        branches[str(i)] = Sequential(slice=SliceChannels(width * i, width * (i + 1)), function=function)
    return Concat(**branches)


def _conv_bn_relu(in_channels, out_channels, kernel, stride, groups, rng):
    padding = kernel // 2
    return Sequential(
        conv=Conv2d(in_channels, out_channels, kernel, stride=stride, padding=padding, groups=groups, rng=rng),
        bn=BatchNorm2d(out_channels),
        relu=ReLU(),
    )


_NOTES = (
    "The depth of the name counts the 3x3 convolutions of a block as one; the longest way has more layers.",
    "The last group is left as it is, as the authors' code; the first in the paper.",
)

FAMILIES = (
    Family(
        "res2net{50,101,152}_{w}w_{s}s",
        "res2net(50|101|152)_([1-9][0-9]{0,2})w_([1-9][0-9]?)s",
        res2net,
        "Res2Net: bottlenecks of s groups of w channels; cardinality, se",
        tuple(f"res2net50_{width}" for width in ("26w_4s", "48w_2s", "14w_8s", "26w_6s", "26w_8s"))
        + ("res2net101_26w_4s",),
        notes=_NOTES,
        depth=lambda depth, width, scale: depth,
    ),
    Family(
        "res2next{50,101,152}",
        "res2next(50|101|152)",
        res2next,
        "Res2NeXt: Res2Net of width 4, scale 4, with eight groups in each 3x3; se",
        ("res2next50",),
        notes=_NOTES,
        depth=lambda depth: depth,
    ),
)
