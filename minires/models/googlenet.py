"""GoogLeNet: Szegedy et al. 2015. Each module splits, transforms at several kernel sizes, and merges."""

from functools import partial

from ..initializers import generator
from ..layers import BatchNorm2d, Concat, Conv2d, Dropout, Flatten, GlobalAvgPool2d, MaxPool2d, ReLU, Sequential
from .family import Family
from .network import classifier

# name: 1x1 | 3x3 reduce, 3x3 | 5x5 reduce, 5x5 | 1x1 behind the pool; table 1 of the paper
MODULES = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}


def googlenet(*, num_classes=1000, in_channels=3, dropout=0.2, rng):
    """GoogLeNet as torchvision has it: batch norm, no biases, and 3x3 in the branch that is 5x5 in the paper.

    x: (N, in_channels, H, W), H, W >= 15   y: (N, num_classes)   dropout: p before the linear layer
    """
    rng = generator(rng)
    return _network(partial(_conv_bn, rng=rng), 3, 2, num_classes, in_channels, dropout, rng)


def inception_v1(*, num_classes=1000, in_channels=3, dropout=0.4, rng):
    """GoogLeNet as in the paper: 5x5 convolutions, biases, no batch norm, a last pool of 3x3.

    x: (N, in_channels, H, W), H, W >= 31   y: (N, num_classes)   dropout: p before the linear layer
    """
    rng = generator(rng)
    return _network(partial(_conv_bias, rng=rng), 5, 3, num_classes, in_channels, dropout, rng)


def inception(channels, widths, conv, large=5):
    """A module of four branches; their outputs are joined along the channels. Figure 2 (b) of the paper.

    widths: a row of ``MODULES``   conv(in_channels, out_channels, kernel): makes convolution and activation
    large: kernel of the third branch
    """
    one, reduce3, three, reduce5, five, pool = widths
    return Concat(
        branch1=conv(channels, one, 1),
        branch2=Sequential(reduce=conv(channels, reduce3, 1), conv=conv(reduce3, three, 3)),
        branch3=Sequential(reduce=conv(channels, reduce5, 1), conv=conv(reduce5, five, large)),
        branch4=Sequential(pool=MaxPool2d(3, stride=1, padding=1), conv=conv(channels, pool, 1)),
    )


def _network(conv, large, last_pool, num_classes, in_channels, dropout, rng):
    """``large``: kernel of the third branch; ``last_pool``: that of the pool before the last two modules."""
    pool = partial(MaxPool2d, stride=2, ceil_mode=True)
    stem = Sequential(
        conv1=conv(in_channels, 64, 7, stride=2),
        pool1=pool(3),
        conv2=conv(64, 64, 1),
        conv3=conv(64, 192, 3),
        pool2=pool(3),
    )
    stages, channels = {"3": {}, "4": {}, "5": {}}, 192
    for name, widths in MODULES.items():
        stages[name[0]][f"inception{name}"] = inception(channels, widths, conv, large)
        one, _, three, _, five, behind_pool = widths
        channels = one + three + five + behind_pool
    return Sequential(
        stem=stem,
        stage3=Sequential(**stages["3"], pool=pool(3)),
        stage4=Sequential(**stages["4"], pool=pool(last_pool)),
        stage5=Sequential(**stages["5"]),
        head=Sequential(
            pool=GlobalAvgPool2d(),
            flatten=Flatten(),
            dropout=Dropout(dropout, rng=rng.spawn(1)[0]),
            fc=classifier(channels, num_classes, rng=rng),
        ),
    )


def _conv_bn(in_channels, out_channels, kernel, stride=1, *, rng):
    return Sequential(
        conv=Conv2d(in_channels, out_channels, kernel, stride=stride, padding=kernel // 2, rng=rng),
        bn=BatchNorm2d(out_channels, eps=1e-3),
        relu=ReLU(),
    )


def _conv_bias(in_channels, out_channels, kernel, stride=1, *, rng):
    padding = kernel // 2
    return Sequential(
        conv=Conv2d(in_channels, out_channels, kernel, stride=stride, padding=padding, bias=True, rng=rng), relu=ReLU()
    )


_LEFT_OUT = "Without the auxiliary classifiers, which are left out after training."

FAMILIES = (
    Family(
        "googlenet",
        "googlenet",
        googlenet,
        "GoogLeNet with batch norm, as torchvision; dropout=p",
        ("googlenet",),
        notes=(
            "The branch that is 5x5 in the paper is 3x3, as in torchvision; inception_v1 has 5x5.",
            _LEFT_OUT,
            "Batch norm with eps=0.001, pools that round up, the last of 2x2: all as torchvision.",
        ),
    ),
    Family(
        "inception_v1",
        "inception_v1",
        inception_v1,
        "GoogLeNet as in the paper, with 5x5 convolutions and biases; dropout=p",
        ("inception_v1",),
        notes=(_LEFT_OUT, "Without the local response normalisation of the stem; pools round up, as in Caffe."),
    ),
)
