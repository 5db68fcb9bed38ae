"""The residual networks for ImageNet of He et al. 2015, table 1, and those that change the width of their blocks:
ResNeXt (Xie et al. 2017) and wide ResNet (Zagoruyko and Komodakis 2016, section 3.4)."""

from functools import partial

from ..errors import RangeError
from ..initializers import generator
from .blocks import GATE_BIAS, basic_block, bottleneck_block, check_options, plain_block
from .family import Family
from .network import assemble, he_by_fan_out, imagenet_stem
from .placement import PLACEMENTS, placement_of

COUNTS = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
    200: (3, 24, 36, 3),
}
BASIC = (18, 34)
WIDTHS = (64, 128, 256, 512)


def imagenet_network(depth, block, *, placement=PLACEMENTS["original"], num_classes, in_channels, rng):
    """The frame that all of them share: conv7x7 / 2, max pool / 2, four stages, global mean, linear.

    x: (N, in_channels, H, W)   y: (N, num_classes)   block(in_channels, out_channels, stride=...): makes a layer
    Stages of basic blocks end in 64, 128, 256, 512 channels, those of bottlenecks in four times as many.
    Convolutions start with He's normal weights by fan-out. Raises RangeError for a depth that table 1 lacks.
    """
    if depth not in COUNTS:
        raise RangeError(f"the depth is {depth!r}, expected one of {', '.join(map(str, COUNTS))}")
    rng = generator(rng)
    model = assemble(
        imagenet_stem(in_channels, WIDTHS[0], placement.stem, rng=rng),
        block,
        channels=WIDTHS[0],
        widths=WIDTHS if depth in BASIC else tuple(4 * width for width in WIDTHS),
        counts=COUNTS[depth],
        tail=placement.tail,
        num_classes=num_classes,
        rng=rng,
    )
    return he_by_fan_out(model)


def resnet(
    depth,
    *,
    num_classes=1000,
    in_channels=3,
    shortcut="B",
    block="original",
    gate_bias=GATE_BIAS,
    stride_on="3x3",
    tail=None,
    rng,
):
    """ResNet-18, 34 (basic blocks), 50, 101, 152 (bottlenecks): see :func:`imagenet_network`.

    ``shortcut``, ``block``, ``gate_bias``: see :func:`~minires.models.blocks.basic_block`
    ``stride_on``: where bottlenecks have their stride, the first "1x1" as in the paper, or the "3x3" as in torchvision
    ``tail``: see :func:`~minires.models.cifar_resnet`
    """
    check_options(block, shortcut, gate_bias)
    rng = generator(rng)
    settings = {"shortcut": shortcut, "block": block, "gate_bias": gate_bias, "rng": rng}
    if depth in BASIC:
        refuse_stride_on(stride_on)
        make = partial(basic_block, **settings)
    else:
        make = partial(bottleneck_block, stride_on=stride_on, **settings)
    placement = placement_of(block, tail)
    return imagenet_network(depth, make, placement=placement, num_classes=num_classes, in_channels=in_channels, rng=rng)


def plain(depth, *, num_classes=1000, in_channels=3, rng):
    """Plain-18 and plain-34: :func:`resnet` without shortcuts. He et al. 2015, figure 3, middle."""
    rng = generator(rng)
    return imagenet_network(
        depth, partial(plain_block, rng=rng), num_classes=num_classes, in_channels=in_channels, rng=rng
    )


def resnext(depth, cardinality, width, *, num_classes=1000, in_channels=3, shortcut="B", stride_on="3x3", rng):
    """ResNeXt: bottlenecks with ``cardinality`` groups, each of ``width`` channels in the first stage.

    Xie et al. 2017, table 1. The groups of stage s have floor(64 2^(s-1) width / 64) channels.
    """
    rng = generator(rng)
    make = partial(resnext_block, shortcut=shortcut, cardinality=cardinality, width=width, stride_on=stride_on, rng=rng)
    return imagenet_network(depth, make, num_classes=num_classes, in_channels=in_channels, rng=rng)


def wide_resnet(depth, factor, *, num_classes=1000, in_channels=3, shortcut="B", stride_on="3x3", rng):
    """Wide ResNet: bottlenecks that are ``factor`` times as wide inside; their outputs are those of :func:`resnet`."""
    rng = generator(rng)

    def make(in_channels, out_channels, stride):
        width = factor * (out_channels // 4)
        return bottleneck_block(in_channels, out_channels, stride, shortcut, width=width, stride_on=stride_on, rng=rng)

    return imagenet_network(depth, make, num_classes=num_classes, in_channels=in_channels, rng=rng)


def resnext_block(in_channels, out_channels, stride, shortcut="B", *, cardinality, width, stride_on="3x3", rng):
    """A bottleneck of ``cardinality`` groups, each of floor(out_channels / 4 * width / 64) channels."""
    inner = cardinality * (out_channels // 4 * width // 64)
    return bottleneck_block(
        in_channels, out_channels, stride, shortcut, width=inner, groups=cardinality, stride_on=stride_on, rng=rng
    )


def refuse_stride_on(stride_on):
    """Raise RangeError if a network of basic blocks is told where its bottlenecks have their stride."""
    if stride_on != "3x3":
        raise RangeError(f"stride_on is {stride_on!r}, but basic blocks have no 1x1 convolution: leave it out")


_STRIDE = "Stride on the 3x3 of bottlenecks, as torchvision; stride_on=1x1 is the paper's, on the first 1x1."
_LINEAR = "The linear layer starts with normal weights of deviation 0.003 and bias 0; torchvision draws both uniformly."

FAMILIES = (
    Family(
        "resnet{18,34,50,101,152}",
        "resnet(18|34|50|101|152)",
        resnet,
        "residual network for ImageNet; shortcut, block as for small images; stride_on=3x3, 1x1",
        ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152"),
        notes=(_STRIDE, "Shortcut B: a 1x1 convolution with batch norm where the shape changes.", _LINEAR),
    ),
    Family(
        "plain{18,34}",
        "plain(18|34)",
        plain,
        "the plain networks for ImageNet, without shortcuts",
        ("plain18", "plain34"),
        notes=("It has the weights of the residual network with shortcut=A from the same seed.", _LINEAR),
    ),
    Family(
        "resnext{50,101,152}_{c}x{w}d",
        "resnext(50|101|152)_([1-9][0-9]{0,3})x([1-9][0-9]{0,3})d",
        resnext,
        "ResNeXt: bottlenecks with c groups of w channels; shortcut, stride_on=3x3, 1x1",
        ("resnext50_32x4d", "resnext101_32x4d", "resnext101_32x8d", "resnext101_64x4d"),
        notes=("Stride on the grouped 3x3, as torchvision and the authors' code.", _LINEAR),
    ),
    Family(
        "wide_resnet{50,101}_{k}",
        "wide_resnet(50|101)_([1-9][0-9]{0,2})",
        wide_resnet,
        "bottlenecks k times as wide inside; shortcut, stride_on=3x3, 1x1",
        ("wide_resnet50_2", "wide_resnet101_2"),
        notes=(_STRIDE, "Only the inner width grows; the outputs of the blocks stay as in ResNet.", _LINEAR),
    ),
)
