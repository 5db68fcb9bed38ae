"""ReXNet: Han et al. 2020, "Rethinking Channel Dimensions". Channels grow a little in every block."""

from itertools import repeat

from ..initializers import generator
from ..layers import (
    BatchNorm2d,
    Conv2d,
    Dropout,
    Flatten,
    GlobalAvgPool2d,
    PadChannels,
    ReLU,
    ReLU6,
    Residual,
    Sequential,
    Sigmoid,
    SiLU,
    SqueezeExcite,
)
from .family import Family
from .network import classifier

# (blocks, stride of the first, squeeze-and-excitation) of each stage
STAGES = ((1, 1, False), (2, 2, False), (2, 2, True), (3, 2, True), (3, 1, True), (5, 2, True))
STEM, FIRST, GROWTH, LAST = 32, 16, 180, 1280
EXPANSION, REDUCTION = 6, 12


def rexnet(percent, *, num_classes=1000, in_channels=3, dropout=0.2, rng):
    """ReXNetV1 of width w = ``percent`` / 100: sixteen inverted bottlenecks whose channels grow linearly.

    x: (N, in_channels, H, W)   y: (N, num_classes)   dropout: p before the linear layer
    """
    rng = generator(rng)
    width = percent / 100
    stem = round(STEM * max(width, 1))
    layers, channels = {"stem": _conv_bn_silu(in_channels, stem, 3, 2, rng)}, stem
    outputs = iter(block_channels(width))
    for s, (count, first_stride, se) in enumerate(STAGES, start=1):
        blocks = []
        for stride in (first_stride, *repeat(1, count - 1)):
            out_channels = next(outputs)
            expansion = 1 if s == 1 else EXPANSION
            blocks.append(rexnet_block(channels, out_channels, stride, expansion=expansion, se=se, rng=rng))
            channels = out_channels
        layers[f"stage{s}"] = Sequential(*blocks)
    last = int(LAST * width)
    layers["last"] = _conv_bn_silu(channels, last, 1, 1, rng)
    layers["head"] = Sequential(
        pool=GlobalAvgPool2d(),
        flatten=Flatten(),
        dropout=Dropout(dropout, rng=rng.spawn(1)[0]),
        fc=classifier(last, num_classes, rng=rng),
    )
    return Sequential(**layers)


def block_channels(width):
    """The output channels of the sixteen blocks: c_0 = 16 w, c_i = c_{i-1} + 180 w / 16, rounded. A w < 1 keeps c_0."""
    count = sum(blocks for blocks, _, _ in STAGES)
    first = FIRST / width if width < 1 else FIRST
    return [round((first + GROWTH / count * i) * width) for i in range(count)]


def rexnet_block(in_channels, out_channels, stride, *, expansion=EXPANSION, se=True, rng):
    """F = conv1x1 - BN - SiLU - depthwise conv3x3 - BN - squeeze-and-excitation - ReLU6 - conv1x1 - BN.

    The 1x1 in front multiplies the channels by ``expansion`` and is left out if that is 1. Where the stride is 1 and
    the channels do not fall, the shortcut is partial: x is added to the first channels of F(x).
    """
    rng = generator(rng)
    inner = expansion * in_channels
    layers = {}
    if expansion != 1:
        layers["expand"] = _conv_bn_silu(in_channels, inner, 1, 1, rng)
    layers["conv1"] = Conv2d(inner, inner, 3, stride=stride, padding=1, groups=inner, rng=rng)
    layers["bn1"] = BatchNorm2d(inner)
    if se:
        layers["se"] = squeeze_excite_bn(inner, inner // REDUCTION, rng=rng)
    layers["relu6"] = ReLU6()
    layers["conv2"] = Conv2d(inner, out_channels, 1, rng=rng)
    layers["bn2"] = BatchNorm2d(out_channels)
    branch = Sequential(**layers)
    if stride != 1 or in_channels > out_channels:
        return branch
    return Residual(branch, PadChannels(0, out_channels - in_channels))


def squeeze_excite_bn(channels, hidden, *, rng):
    """y = x sigmoid(W2 ReLU(BN(W1 mean(x)))), W1 and W2 with biases."""
    rng = generator(rng)
    return SqueezeExcite(
        Sequential(
            pool=GlobalAvgPool2d(),
            conv1=Conv2d(channels, hidden, 1, bias=True, rng=rng),
            bn=BatchNorm2d(hidden),
            relu=ReLU(),
            conv2=Conv2d(hidden, channels, 1, bias=True, rng=rng),
            sigmoid=Sigmoid(),
        )
    )


def _conv_bn_silu(in_channels, out_channels, kernel, stride, rng):
    return Sequential(
        conv=Conv2d(in_channels, out_channels, kernel, stride=stride, padding=kernel // 2, rng=rng),
        bn=BatchNorm2d(out_channels),
        silu=SiLU(),
    )


FAMILIES = (
    Family(
        "rexnet_{100w}",
        "rexnet_([1-9][0-9]{1,2})",
        rexnet,
        "ReXNetV1 of width w, rexnet_100 for w = 1; dropout=p",
        ("rexnet_90", "rexnet_100", "rexnet_130", "rexnet_150", "rexnet_200"),
        notes=(
            "The shortcut is partial: x is added to the first channels of a block that has more of them.",
            "The head is a linear layer; the authors' a 1x1 convolution with the same numbers.",
            "Parameters are counted without running statistics; some tables include them.",
        ),
    ),
)
