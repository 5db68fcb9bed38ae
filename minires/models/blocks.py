"""Blocks: functions from channels, stride and a generator to a layer. No model contains backward code.

The activations stand where :data:`~minires.models.placement.PLACEMENTS` says (He et al. 2016, "Identity Mappings in
Deep Residual Networks", figure 4), the shortcuts are those of its table 1 and of He et al. 2015, section 3.3. A block
is a branch F that :func:`residual_block` joins with a shortcut; every branch is a row of convolutions that
:func:`conv_branch` makes.
"""

import math
from numbers import Real
from typing import NamedTuple

from ..errors import RangeError
from ..initializers import generator
from ..layers import (
    BatchNorm2d,
    Conv2d,
    Dropout,
    Gate,
    PadChannels,
    ReLU,
    Residual,
    Scale,
    Sequential,
    Sigmoid,
    Subsample,
)
from .placement import PLACEMENTS, activations

GATE_BIAS = -6.0


GATES = ("exclusive-gate", "shortcut-gate")
SHORTCUTS = ("A", "A-both", "B", "C", "scale", "scale-shortcut", *GATES, "conv1x1", "dropout")
STRIDES = ("1x1", "3x3")


class Conv(NamedTuple):
    """One convolution of a branch; its padding keeps the image size at stride 1."""

    channels: int
    kernel: int
    stride: int = 1
    groups: int = 1


def check_options(block, shortcut, gate_bias=GATE_BIAS):
    """Raise RangeError, which lists the choices, unless the three options of a residual network make sense."""
    require_choice("block", block, PLACEMENTS)
    require_choice("shortcut", shortcut, SHORTCUTS)
    if not isinstance(gate_bias, Real) or not math.isfinite(gate_bias):
        raise RangeError(f"gate_bias is {gate_bias!r}, expected a finite number; the paper has 0 to -10")
    if gate_bias != GATE_BIAS and shortcut not in GATES:
        raise RangeError(f"gate_bias is {gate_bias}, but shortcut={shortcut!r} has no gate: use {' or '.join(GATES)}")


def conv3x3(in_channels, out_channels, stride=1, *, rng):
    """A 3x3 convolution that keeps the image size (at stride 1), without the bias that batch norm would cancel."""
    return Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, rng=rng)


def residual_block(branch, in_channels, out_channels, stride, shortcut, *, block="original", gate_bias=GATE_BIAS, rng):
    """x_{l+1} = f(h(x_l) + F(x_l)): ``branch``, the F of a block of the kind ``block``, with its shortcut h and its f.

    Where f is the identity the block is the fork itself. A ``full_preact`` block with a 1x1 convolution by option B
    or C shares its first BN-ReLU: ``Sequential(bn, relu, add=Residual(rest of F, 1x1 convolution without BN))``.

    ``shortcut``: h, as in :func:`shortcut_layer`; where the shape stays, also a gate t = sigmoid(1x1 convolution of x)
    whose bias starts at ``gate_bias``: "exclusive-gate", t F + (1 - t) x, or "shortcut-gate", F + (1 - t) x.
    """
    check_options(block, shortcut, gate_bias)
    rng = generator(rng)
    same = _same_shape(in_channels, out_channels, stride)
    if block == "full_preact" and (shortcut == "C" or (shortcut == "B" and not same)):
        layers = dict(branch.children())
        bn, relu = layers.pop("bn1"), layers.pop("relu1")
        projection = Conv2d(in_channels, out_channels, 1, stride=stride, rng=rng)
        return Sequential(bn=bn, relu=relu, add=Residual(Sequential(**layers), projection))
    if same and shortcut in GATES:
        fork = Gate(branch, _gate(in_channels, gate_bias, rng=rng), exclusive=shortcut == "exclusive-gate")
    else:
        if same and shortcut == "scale":
            branch = Sequential(**dict(branch.children()), scale=Scale(0.5))
        fork = Residual(branch, shortcut_layer(in_channels, out_channels, stride, shortcut, rng=rng))
    after = activations(PLACEMENTS[block].after, out_channels)
    return Sequential(add=fork, **after) if after else fork


def basic_block(in_channels, out_channels, stride, shortcut="A", *, block="original", gate_bias=GATE_BIAS, rng):
    """Two 3x3 convolutions; the activations stand as in He et al. 2016, figure 4 (a) to (e)::

        original            F = conv-BN-ReLU-conv-BN         f = ReLU      (He et al. 2015, eq. 1 and 2)
        bn_after_add        F = conv-BN-ReLU-conv            f = ReLU(BN)
        relu_before_add     F = conv-BN-ReLU-conv-BN-ReLU    f = identity
        relu_only_preact    F = ReLU-conv-BN-ReLU-conv-BN    f = identity
        full_preact         F = BN-ReLU-conv-BN-ReLU-conv    f = identity

    ``shortcut`` and ``gate_bias``: see :func:`residual_block`. The two papers' blocks of C channels, written out:

    >>> import numpy as np
    >>> C, rng, x = 4, np.random.default_rng(0), np.random.default_rng(1).standard_normal((2, 4, 6, 6), np.float32)
    >>> v1 = Sequential(                                                # y = ReLU(x + F(x))
    ...     Residual(Sequential(
    ...         Conv2d(C, C, 3, padding=1, rng=rng), BatchNorm2d(C), ReLU(),
    ...         Conv2d(C, C, 3, padding=1, rng=rng), BatchNorm2d(C),
    ...     )),
    ...     ReLU(),
    ... )
    >>> bool((v1(x) == basic_block(C, C, 1, rng=0)(x)).all())
    True
    >>> rng = np.random.default_rng(0)
    >>> v2 = Residual(Sequential(                                       # y = x + F(x)
    ...     BatchNorm2d(C), ReLU(), Conv2d(C, C, 3, padding=1, rng=rng),
    ...     BatchNorm2d(C), ReLU(), Conv2d(C, C, 3, padding=1, rng=rng),
    ... ))
    >>> bool((v2(x) == basic_block(C, C, 1, block="full_preact", rng=0)(x)).all())
    True
    """
    check_options(block, shortcut, gate_bias)
    rng = generator(rng)
    branch = conv_branch(in_channels, basic_convs(out_channels, stride), block=block, rng=rng)
    return residual_block(
        branch, in_channels, out_channels, stride, shortcut, block=block, gate_bias=gate_bias, rng=rng
    )


def bottleneck_block(
    in_channels,
    out_channels,
    stride,
    shortcut="B",
    *,
    width=None,
    groups=1,
    stride_on="3x3",
    block="original",
    gate_bias=GATE_BIAS,
    rng,
):
    """1x1 to ``width`` channels, 3x3 in ``groups``, 1x1 to ``out_channels``. He et al. 2015, figure 5, right.

    width: a quarter of ``out_channels`` if not given   stride_on: which convolution has the stride, the first "1x1"
    (the paper) or the "3x3" (most implementations since). The rest is as in :func:`basic_block`.
    """
    check_options(block, shortcut, gate_bias)
    rng = generator(rng)
    convs = bottleneck_convs(out_channels // 4 if width is None else width, out_channels, stride, stride_on, groups)
    branch = conv_branch(in_channels, convs, block=block, rng=rng)
    return residual_block(
        branch, in_channels, out_channels, stride, shortcut, block=block, gate_bias=gate_bias, rng=rng
    )


def basic_convs(channels, stride):
    """The convolutions of a basic block, for :func:`conv_branch`."""
    return Conv(channels, 3, stride), Conv(channels, 3)


def bottleneck_convs(width, out_channels, stride, stride_on="3x3", groups=1):
    """The convolutions of a bottleneck block, for :func:`conv_branch`."""
    require_choice("stride_on", stride_on, STRIDES)
    first, second = (stride, 1) if stride_on == "1x1" else (1, stride)
    return Conv(width, 1, first), Conv(width, 3, second, groups), Conv(out_channels, 1)


def conv_branch(in_channels, convs, *, block="original", rng):
    """The F(x) of a block, for two convolutions conv1 - bn1 - relu1 - conv2 - bn2 in the original.

    ``convs``: two or more :class:`Conv`; a third one repeats the layers around the first.
    """
    words = PLACEMENTS[block].branch.split()
    convs, layers, channels, counts = list(convs), {}, in_channels, {}
    for word in words[:3] * (len(convs) - 2) + words:
        number = counts[word] = counts.get(word, 0) + 1
        if word == "conv":
            out, kernel, stride, groups = convs[number - 1]
            layer = Conv2d(channels, out, kernel, stride=stride, padding=kernel // 2, groups=groups, rng=rng)
            channels = out
        else:
            layer = activations(word, channels)[word]
        layers[f"{word}{number}"] = layer
    return Sequential(**layers)


def shortcut_layer(in_channels, out_channels, stride, shortcut, *, rng):
    """The shortcut of a residual block, or None for the identity.

    He et al. 2015, section 3.3 and 4.1:
    A: where the shape changes, every stride-th pixel and zero channels at the end; no parameters
    A-both: the same with half of the zero channels in front (the akamaster implementation for CIFAR)
    B: where the shape changes, a 1x1 convolution and batch norm; C: that everywhere

    He et al. 2016, section 3.1, where the shape stays; where it changes they are option A:
    scale: x / 2, while the block halves its branch too; scale-shortcut: x / 2 alone
    conv1x1: a 1x1 convolution without batch norm; dropout: p = 0.5, with a generator of its own
    """
    require_choice("shortcut", shortcut, SHORTCUTS)
    same = _same_shape(in_channels, out_channels, stride)
    if shortcut == "C" or (shortcut == "B" and not same):
        return Sequential(
            conv=Conv2d(in_channels, out_channels, 1, stride=stride, rng=rng), bn=BatchNorm2d(out_channels)
        )
    if not same:
        extra = out_channels - in_channels
        if extra < 0:
            raise RangeError(
                f"shortcut {shortcut!r} appends zero channels, but {in_channels} channels become {out_channels}: "
                "widths must not fall, except with shortcut 'B' or 'C'"
            )
        before = extra // 2 if shortcut == "A-both" else 0
        return Sequential(subsample=Subsample(stride), pad=PadChannels(before, extra - before))
    if shortcut in ("scale", "scale-shortcut"):
        return Scale(0.5)
    if shortcut == "conv1x1":
        return Conv2d(in_channels, out_channels, 1, rng=rng)
    if shortcut == "dropout":  # spawning draws nothing from rng: the initial weights stay those of option A
        return Dropout(0.5, rng=generator(rng).spawn(1)[0])
    return None


def plain_block(in_channels, out_channels, stride, *, rng):
    """y = ReLU(F(x)): the basic block without its shortcut, for comparison. He et al. 2015, section 3.3."""
    rng = generator(rng)
    return Sequential(branch=conv_branch(in_channels, basic_convs(out_channels, stride), rng=rng), relu=ReLU())


def require_choice(name, value, choices):
    """Raise RangeError, which lists the choices, unless ``value`` is one of them."""
    if value not in tuple(choices):
        raise RangeError(f"{name} is {value!r}, expected one of {', '.join(choices)}")


def _gate(channels, bias, *, rng):
    conv = Conv2d(channels, channels, 1, bias=True, rng=rng)
    conv.bias.data[...] = bias
    return Sequential(conv=conv, sigmoid=Sigmoid())


def _same_shape(in_channels, out_channels, stride):
    return stride == 1 and in_channels == out_channels
