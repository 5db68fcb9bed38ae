"""Squeeze-and-excitation networks: Hu et al. 2018."""

from ..initializers import generator
from ..layers import Conv2d, GlobalAvgPool2d, ReLU, Sequential, Sigmoid, SqueezeExcite
from .blocks import basic_convs, bottleneck_convs, check_options, conv_branch, residual_block
from .cifar_resnet import DEPTHS, WIDTHS
from .family import Family
from .network import assemble, blocks_per_stage, small_stem, three_widths
from .resnet import BASIC, imagenet_network, refuse_stride_on

REDUCTION = 16


def squeeze_excite(channels, hidden, *, bias=True, rng):
    """y = x sigmoid(W2 ReLU(W1 mean(x))), W1: channels to ``hidden``, W2 back; 1x1 convolutions on one pixel."""
    rng = generator(rng)
    return SqueezeExcite(
        Sequential(
            pool=GlobalAvgPool2d(),
            conv1=Conv2d(channels, hidden, 1, bias=bias, rng=rng),
            relu=ReLU(),
            conv2=Conv2d(hidden, channels, 1, bias=bias, rng=rng),
            sigmoid=Sigmoid(),
        )
    )


def se_block(convs, in_channels, stride, shortcut, *, hidden, bias=True, rng):
    """A residual block whose branch ends, behind its last batch norm, in squeeze-and-excitation. Figure 3."""
    check_options("original", shortcut)
    rng = generator(rng)
    out_channels = convs[-1].channels
    layers = dict(conv_branch(in_channels, convs, rng=rng).children())
    branch = Sequential(**layers, se=squeeze_excite(out_channels, hidden, bias=bias, rng=rng))
    return residual_block(branch, in_channels, out_channels, stride, shortcut, rng=rng)


def seresnet(depth, *, num_classes=1000, in_channels=3, shortcut="B", stride_on="3x3", bias=True, rng):
    """SE-ResNet for ImageNet; otherwise as :func:`~minires.models.resnet.resnet`.

    The hidden width is a sixteenth of the channels, rounded to a multiple of 8 as in timm. ``bias``: of W1 and W2
    """
    rng = generator(rng)
    if depth in BASIC:
        refuse_stride_on(stride_on)

    def make(in_channels, out_channels, stride):
        if depth in BASIC:
            convs = basic_convs(out_channels, stride)
        else:
            convs = bottleneck_convs(out_channels // 4, out_channels, stride, stride_on)
        hidden = multiple_of_8(out_channels / REDUCTION)
        return se_block(convs, in_channels, stride, shortcut, hidden=hidden, bias=bias, rng=rng)

    return imagenet_network(depth, make, num_classes=num_classes, in_channels=in_channels, rng=rng)


def seresnet_small(depth, *, num_classes=10, in_channels=3, shortcut="A", bias=False, widths=WIDTHS, rng):
    """SE-ResNet for small images, depth 6n + 2: see :func:`~minires.models.cifar_resnet.cifar_resnet`.

    The hidden widths are a sixteenth of the channels ``widths``, so 1, 2, 4, and at least 1. ``bias``: of W1 and W2
    """
    count, widths = blocks_per_stage(depth, 2), three_widths(widths)
    rng = generator(rng)

    def make(in_channels, out_channels, stride):
        convs, hidden = basic_convs(out_channels, stride), max(1, out_channels // REDUCTION)
        return se_block(convs, in_channels, stride, shortcut, hidden=hidden, bias=bias, rng=rng)

    return assemble(
        small_stem(in_channels, widths[0], rng=rng),
        make,
        channels=widths[0],
        widths=widths,
        counts=(count,) * 3,
        num_classes=num_classes,
        rng=rng,
    )


def multiple_of_8(width):
    """The multiple of 8 nearest to ``width`` (up if in the middle), at least 8: timm's make_divisible."""
    return max(8, int(width + 4) // 8 * 8)


FAMILIES = (
    Family(
        "seresnet{18,34,50,101,152}",
        "seresnet(18|34|50|101|152)",
        seresnet,
        "ResNet for ImageNet with squeeze-and-excitation; shortcut, stride_on=3x3, 1x1, bias",
        ("seresnet18", "seresnet34", "seresnet50", "seresnet101", "seresnet152"),
        notes=(
            "Hidden widths are rounded to multiples of 8 and have biases, as timm; bias=False leaves them out.",
            "Stride on the 3x3 of bottlenecks, as timm.",
        ),
    ),
    Family(
        "seresnet{6n+2}",
        "seresnet([1-9][0-9]*)",
        seresnet_small,
        "residual network for small images with squeeze-and-excitation; shortcut, bias, widths",
        tuple(f"seresnet{depth}" for depth in DEPTHS if depth % 6 == 2),
        32,
        10,
        ("No biases in the squeeze-and-excitation, as moskomule's code, which has shortcut B.",),
    ),
)
