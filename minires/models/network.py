"""A network is a stem, a fold over stages of blocks, and a head."""

import math
from collections.abc import Callable, Sequence

from ..errors import RangeError
from ..initializers import Rng
from ..layers import Conv2d, Flatten, GlobalAvgPool2d, Linear, MaxPool2d, Sequential
from ..layers.base import Layer
from ..layers.checks import is_integer
from .blocks import conv3x3
from .placement import activations

HEAD_STD = 0.003
DEEPEST = 2000  # layers; the deepest known is ResNet-1202
WIDEST = 2048  # channels of a stage


def assemble(
    stem: Layer,
    block: Callable[..., Layer],
    *,
    channels: int,
    widths: Sequence[int],
    counts: Sequence[int],
    tail: str = "",
    num_classes: int,
    rng: Rng,
) -> Sequential:
    """``Sequential(stem, stage1, stage2, ..., head)``.

    stem: a layer that gives ``channels`` channels   block(in_channels, out_channels, stride=...): makes a layer
    widths, counts: output channels and number of blocks of each stage; stages but the first begin with stride 2
    tail: activations in front of the head, "" or "bn relu"; the head is the global mean and a linear layer

    A network of blocks of one's own, three stages of two:

    >>> import numpy as np
    >>> from minires.layers import Conv2d, PReLU, Sequential
    >>> from minires.models import assemble, small_stem
    >>> rng = np.random.default_rng(0)
    >>> def block(in_channels, out_channels, stride):
    ...     conv = Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, rng=rng)
    ...     return Sequential(conv=conv, prelu=PReLU(out_channels))
    >>> stem = small_stem(3, 8, rng=rng)
    >>> model = assemble(stem, block, channels=8, widths=(8, 16, 32), counts=(2, 2, 2), num_classes=10, rng=rng)
    >>> model(np.zeros((1, 3, 32, 32), np.float32)).shape
    (1, 10)
    """
    stages, width = {}, channels
    for s, (out_width, count) in enumerate(zip(widths, counts, strict=True), start=1):
        blocks = []
        for b in range(count):
            blocks.append(block(width, out_width, stride=2 if s > 1 and b == 0 else 1))
            width = out_width
        stages[f"stage{s}"] = Sequential(*blocks)
    head = Sequential(
        **activations(tail, width),
        pool=GlobalAvgPool2d(),
        flatten=Flatten(),
        fc=classifier(width, num_classes, rng=rng),
    )
    return Sequential(stem=stem, **stages, head=head)


def classifier(in_features, num_classes, *, bias=True, rng):
    """The linear layer that gives the classes: see :func:`as_classifier`."""
    return as_classifier(Linear(in_features, num_classes, bias=bias, rng=rng))


def as_classifier(layer):
    """Rescale the weights of a fresh ``layer``, the last one of a network, to N(0, 0.003); return the layer.

    All classes are then about equally likely to an untrained network, and its loss is log k for k classes whatever size
    the features have: those of a trunk that nothing normalises grow with its depth. The rule is that of Simonyan and
    Zisserman 2015, section 3.1, and Goyal et al. 2017, "Accurate, Large Minibatch SGD", section 5.1, with a third of
    their 0.01, which starts ResNet-1202 and Inception v1 a fifth above log k; He's rule starts ResNet-110 at 8.4, that
    of PyTorch, U(-1/sqrt(D), 1/sqrt(D)), at 4.0, where log 10 is 2.3. Zeros would cut the trunk off from the gradient.
    """
    weight = layer.weight.data
    layer.weight.data = weight * (HEAD_STD / math.sqrt(2 / weight[0].size))
    return layer


def small_stem(in_channels: int, channels: int, words: str = "bn relu", *, rng: Rng) -> Sequential:
    """For images of about 32 x 32: conv3x3, then the activations of ``words``.

    >>> from minires.models import small_stem
    >>> [name for name, _ in small_stem(3, 16, "relu", rng=0).children()]
    ['conv', 'relu']
    """
    return Sequential(conv=conv3x3(in_channels, channels, rng=rng), **activations(words, channels))


def imagenet_stem(in_channels, channels=64, words="bn relu", *, rng):
    """For images of about 224 x 224, a quarter of the size behind it: conv7x7 / 2, activations, max pool 3x3 / 2."""
    return Sequential(
        conv=Conv2d(in_channels, channels, 7, stride=2, padding=3, rng=rng),
        **activations(words, channels),
        pool=MaxPool2d(3, stride=2, padding=1),
    )


def three_widths(widths):
    """``widths`` as a tuple, the channels of three stages; RangeError for anything else."""
    found = tuple(widths) if isinstance(widths, (tuple, list)) else ()
    if len(found) != 3 or not all(is_integer(width) and 1 <= width <= WIDEST for width in found):
        raise RangeError(f"widths is {widths!r}, expected three integers from 1 to {WIDEST:,}, such as (16, 32, 64)")
    return tuple(map(int, found))


def blocks_per_stage(depth, layers, *, rest=2, stages=3, hint=""):
    """n of a network of ``depth`` = stages * layers * n + rest layers, ``layers`` to a block; RangeError for others.

    ``hint``: what the message says behind the depths that would do
    """
    step = stages * layers
    if is_integer(depth) and depth > DEEPEST:
        raise RangeError(f"the depth is {depth}, expected at most {DEEPEST:,}")
    if is_integer(depth) and depth >= step + rest and (depth - rest) % step == 0:
        return int(depth - rest) // step
    message = f"the depth is {depth!r}, expected {step}n + {rest} with an integer n of at least 1{hint}"
    if is_integer(depth):
        below = max(int(depth - rest) // step, 1)
        nearest = sorted((step * n + rest for n in (below, below + 1)), key=lambda d: abs(d - depth))
        message += f"; the nearest are {nearest[0]} and {nearest[1]}"
    raise RangeError(message)


def he_by_fan_out(model: Layer) -> Layer:
    """Rescale the convolutions of a fresh ``model`` from He's normal by fan-in to that by fan-out; return the model.

    Fan-out is K^2 times the output channels, with groups too, as in PyTorch and the Lua original of ResNet.

    >>> from minires.models import he_by_fan_out, small_stem
    >>> conv = small_stem(3, 48, rng=0)["conv"]
    >>> before, after = conv.weight.data, he_by_fan_out(conv).weight.data
    >>> bool(abs(after - before * math.sqrt(3 / 48)).max() < 1e-7)
    True
    """
    for _, layer in model.walk():
        if isinstance(layer, Conv2d):
            weight = layer.weight.data
            fan_out = layer.out_channels * math.prod(layer.kernel)
            layer.weight.data = weight * math.sqrt(weight[0].size / fan_out)
    return model
