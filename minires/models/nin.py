"""Network in Network for CIFAR: Lin et al. 2014. Small networks of 1x1 convolutions; a global mean for a head."""

from ..initializers import generator
from ..layers import AvgPool2d, Conv2d, Dropout, Flatten, GlobalAvgPool2d, MaxPool2d, ReLU, Sequential
from .family import Family
from .network import as_classifier


def nin_cifar(*, num_classes=10, in_channels=3, dropout=0.5, rng):
    """Three stages of a wide convolution and two 1x1, each with ReLU; the last gives one channel for each class.

    x: (N, in_channels, H, W), H, W >= 4   y: (N, num_classes), the mean of each channel
    dropout: p behind the first two stages, which end in a max and a mean pool of 3x3 at stride 2
    """
    rng = generator(rng)
    first, second = rng.spawn(2)
    classes = _convs(192, (192, 192, num_classes), 3, rng)
    as_classifier(classes["conv3"])
    return Sequential(
        stage1=Sequential(
            **_convs(in_channels, (192, 160, 96), 5, rng),
            pool=MaxPool2d(3, stride=2, ceil_mode=True),
            dropout=Dropout(dropout, rng=first),
        ),
        stage2=Sequential(
            **_convs(96, (192, 192, 192), 5, rng),
            pool=AvgPool2d(3, stride=2, ceil_mode=True),
            dropout=Dropout(dropout, rng=second),
        ),
        stage3=Sequential(**classes),
        head=Sequential(pool=GlobalAvgPool2d(), flatten=Flatten()),
    )


def _convs(channels, widths, kernel, rng):
    """A convolution of ``kernel`` and 1x1 ones, each with bias and ReLU, by name."""
    layers = {}
    for i, width in enumerate(widths, start=1):
        layers[f"conv{i}"] = Conv2d(channels, width, kernel, padding=kernel // 2, bias=True, rng=rng)
        layers[f"relu{i}"] = ReLU()
        channels, kernel = width, 1
    return layers


FAMILIES = (
    Family(
        "nin_cifar",
        "nin_cifar",
        nin_cifar,
        "Network in Network for CIFAR; dropout=p",
        ("nin_cifar",),
        32,
        10,
        (
            "Without batch norm, as the paper; pools round up, 32 x 32 pixels to 16 x 16 and 8 x 8.",
            "Weights start with He's normal by fan-in, those of the classes with 0.003; the paper's with 0.05.",
        ),
    ),
)
