"""Densely connected networks: Huang et al. 2017. Every layer sees the outputs of all layers before it in its block."""

from ..errors import RangeError
from ..initializers import generator
from ..layers import (
    AvgPool2d,
    BatchNorm2d,
    Concat,
    Conv2d,
    Dropout,
    Flatten,
    GlobalAvgPool2d,
    Identity,
    ReLU,
    Sequential,
)
from .family import Family
from .network import blocks_per_stage, classifier, he_by_fan_out, imagenet_stem, small_stem

# depth: (layers of each block, growth rate k)
IMAGENET = {
    121: ((6, 12, 24, 16), 32),
    161: ((6, 12, 36, 24), 48),
    169: ((6, 12, 32, 32), 32),
    201: ((6, 12, 48, 32), 32),
}


def densenet_imagenet(depth, *, num_classes=1000, in_channels=3, dropout=0.0, rng):
    """DenseNet-121, 161, 169, 201 (table 1): conv7x7 / 2, max pool / 2, four dense blocks with bottlenecks.

    x: (N, in_channels, H, W), H, W >= 29   y: (N, num_classes)   dropout: see :func:`densenet`
    """
    if depth not in IMAGENET:
        raise RangeError(f"depth is {depth!r}, expected one of {', '.join(map(str, IMAGENET))}")
    counts, growth = IMAGENET[depth]
    rng = generator(rng)
    stem = imagenet_stem(in_channels, 2 * growth, rng=rng)
    return _network(stem, 2 * growth, counts, growth, True, num_classes, dropout, rng)


def densenet(depth, growth, *, num_classes=10, in_channels=3, dropout=0.0, rng):
    """DenseNet for small images, depth 3n + 4: conv3x3 to 16, three dense blocks of n layers, k = ``growth``.

    x: (N, in_channels, H, W), H, W >= 4   y: (N, num_classes)
    dropout: p behind every convolution but the first, 0 for none; the paper has 0.2 without augmentation
    """
    rng = generator(rng)
    counts = (blocks_per_stage(depth, 1, rest=4),) * 3
    return _network(small_stem(in_channels, 16, "", rng=rng), 16, counts, growth, False, num_classes, dropout, rng)


def densenet_bc(depth, growth, *, num_classes=10, in_channels=3, dropout=0.0, rng):
    """DenseNet-BC for small images, depth 6n + 4: :func:`densenet` with bottlenecks and compression.

    The stem gives 2k channels, a bottleneck conv1x1 4k, and a transition half of its channels.
    """
    rng = generator(rng)
    counts, channels = (blocks_per_stage(depth, 2, rest=4),) * 3, 2 * growth
    stem = small_stem(in_channels, channels, "", rng=rng)
    return _network(stem, channels, counts, growth, True, num_classes, dropout, rng)


def dense_layer(channels, growth, *, bottleneck=True, dropout=0.0, rng):
    """y = [x, H(x)], k = ``growth`` channels more than x: eq. 2 of the paper.

    H = BN - ReLU - conv3x3, or with ``bottleneck`` BN - ReLU - conv1x1 to 4k - BN - ReLU - conv3x3
    """
    rng = generator(rng)
    layers = _conv(channels, 4 * growth, 1, dropout, rng, number=1) if bottleneck else {}
    layers |= _conv(4 * growth if bottleneck else channels, growth, 3, dropout, rng, number=2 if bottleneck else 1)
    return Concat(shortcut=Identity(), branch=Sequential(**layers))


def transition(channels, out_channels, *, dropout=0.0, rng):
    """Between dense blocks: BN - ReLU - conv1x1 - mean pool 2x2."""
    return Sequential(**_conv(channels, out_channels, 1, dropout, generator(rng)), pool=AvgPool2d(2))


def _network(stem, channels, counts, growth, bottleneck, num_classes, dropout, rng):
    """``bottleneck``: with bottlenecks and compression (BC)."""
    parts = {"stem": stem}
    for b, count in enumerate(counts, start=1):
        if b > 1:
            out_channels = channels // 2 if bottleneck else channels
            parts[f"transition{b - 1}"] = transition(channels, out_channels, dropout=dropout, rng=rng)
            channels = out_channels
        layers = []
        for _ in range(count):
            layers.append(dense_layer(channels, growth, bottleneck=bottleneck, dropout=dropout, rng=rng))
            channels += growth
        parts[f"block{b}"] = Sequential(*layers)
    head = {"bn": BatchNorm2d(channels), "relu": ReLU(), "pool": GlobalAvgPool2d(), "flatten": Flatten()}
    model = Sequential(**parts, head=Sequential(**head, fc=classifier(channels, num_classes, rng=rng)))
    return he_by_fan_out(model)


def _conv(channels, out_channels, kernel, dropout, rng, number=""):
    """BN - ReLU - convolution - dropout, by name."""
    layers = {
        f"bn{number}": BatchNorm2d(channels),
        f"relu{number}": ReLU(),
        f"conv{number}": Conv2d(channels, out_channels, kernel, padding=kernel // 2, rng=rng),
    }
    if dropout:  # spawning draws nothing from rng: the initial weights are those without dropout
        layers[f"dropout{number}"] = Dropout(dropout, rng=rng.spawn(1)[0])
    return layers


_LUA = "The stem of plain networks gives 16 channels, as the paper; the authors' Lua code has 2k there too."

FAMILIES = (
    Family(
        "densenet{121,161,169,201}",
        "densenet(121|161|169|201)",
        densenet_imagenet,
        "densely connected network for ImageNet; dropout=p",
        ("densenet121", "densenet161", "densenet169", "densenet201"),
        notes=("Layers and counts as in torchvision.",),
    ),
    Family(
        "densenet_{3n+4}_{k}",
        "densenet_([1-9][0-9]*)_([1-9][0-9]{0,2})",
        densenet,
        "densely connected network for small images, k channels more with each layer; dropout=p",
        ("densenet_40_12", "densenet_100_12", "densenet_100_24"),
        32,
        10,
        (_LUA,),
    ),
    Family(
        "densenetbc_{6n+4}_{k}",
        "densenetbc_([1-9][0-9]*)_([1-9][0-9]{0,2})",
        densenet_bc,
        "the same with bottlenecks and compression; dropout=p",
        ("densenetbc_100_12", "densenetbc_190_40", "densenetbc_250_24"),
        32,
        10,
        ("The stem gives 2k channels, as the paper.",),
    ),
)
