"""One row a layer: how to make it, and the shape of an input that suits it. What the checks of the package run on."""

from typing import Any

import numpy as np

from . import layers as L
from .losses import MeanSquaredError, Objective, SoftmaxCrossEntropy

IMAGES = (3, 4, 5, 6)


def _conv_bn(c, rng):
    return L.Sequential(L.Conv2d(c, c, 3, padding=1, rng=rng), L.BatchNorm2d(c), L.ReLU())


def _gate(c, rng):
    return L.Sequential(L.Conv2d(c, c, 1, bias=True, rng=rng), L.Sigmoid())


def _squeeze(c, rng):
    convs = L.Conv2d(c, 2, 1, bias=True, rng=rng), L.SiLU(), L.Conv2d(2, c, 1, bias=True, rng=rng)
    return L.Sequential(L.GlobalAvgPool2d(), *convs, L.Sigmoid())


def _weighted(rng):
    return Objective(SoftmaxCrossEntropy(0.1, [1, 2, 0.5, 0, 3], ignore_index=-1), np.array([4, -1, 0, 1]))


# name: (make(rng), shape of x)
CASES = {
    "AdaptiveAvgPool2d": (lambda rng: L.AdaptiveAvgPool2d((2, 4)), IMAGES),
    "AvgPool2d": (lambda rng: L.AvgPool2d(3, stride=2, padding=1), IMAGES),
    "AvgPool2d without border": (lambda rng: L.AvgPool2d((2, 3), padding=1, count_include_pad=False), IMAGES),
    "AvgPool2d lopsided": (lambda rng: L.AvgPool2d(3, padding=((0, 1), (2, 1)), count_include_pad=False), IMAGES),
    "AvgPool2d beyond": (lambda rng: L.AvgPool2d(3, stride=2, ceil_mode=True), IMAGES),
    "BatchNorm1d": (lambda rng: L.BatchNorm1d(4), (6, 4)),
    "BatchNorm2d": (lambda rng: L.BatchNorm2d(4), IMAGES),
    "Concat": (lambda rng: L.Concat(shortcut=L.Identity(), branch=_conv_bn(4, rng)), IMAGES),
    "Conv2d": (lambda rng: L.Conv2d(4, 5, 3, padding=1, bias=True, rng=rng), IMAGES),
    "Conv2d rectangular": (lambda rng: L.Conv2d(4, 3, (2, 3), stride=(2, 1), padding=(0, 2), rng=rng), IMAGES),
    "Conv2d dilated": (lambda rng: L.Conv2d(4, 2, 3, padding=2, dilation=2, rng=rng), IMAGES),
    "Conv2d lopsided": (lambda rng: L.Conv2d(4, 3, 3, stride=2, padding=((0, 1), (2, 1)), rng=rng), IMAGES),
    "Conv2d grouped": (lambda rng: L.Conv2d(4, 6, 3, stride=2, padding=1, groups=2, bias=True, rng=rng), IMAGES),
    "Conv2d depthwise": (lambda rng: L.Conv2d(4, 4, 3, padding=1, groups=4, rng=rng), IMAGES),
    "Dropout": (lambda rng: L.Dropout(0.4, rng=rng), (4, 8)),
    "ELU": (lambda rng: L.ELU(), (4, 9)),
    "Flatten": (lambda rng: L.Flatten(), IMAGES),
    "GELU": (lambda rng: L.GELU(), (4, 9)),
    "GELU by tanh": (lambda rng: L.GELU("tanh"), (4, 9)),
    "Gain": (lambda rng: L.Gain(0.5), IMAGES),
    "Gate exclusive": (lambda rng: L.Gate(_conv_bn(4, rng), _gate(4, rng)), IMAGES),
    "Gate shortcut-only": (lambda rng: L.Gate(_conv_bn(4, rng), _gate(4, rng), exclusive=False), IMAGES),
    "GlobalAvgPool2d": (lambda rng: L.GlobalAvgPool2d(), IMAGES),
    "GroupNorm": (lambda rng: L.GroupNorm(2, 4), IMAGES),
    "HardSwish": (lambda rng: L.HardSwish(), (8, 24)),
    "Identity": (lambda rng: L.Identity(), (4, 9)),
    "LayerNorm": (lambda rng: L.LayerNorm(6), IMAGES),
    "LayerNorm of images": (lambda rng: L.LayerNorm((4, 5, 6)), IMAGES),
    "LeakyReLU": (lambda rng: L.LeakyReLU(0.1), (4, 9)),
    "Linear": (lambda rng: L.Linear(5, 3, rng=rng), (4, 5)),
    "MaxPool2d": (lambda rng: L.MaxPool2d(3, stride=2, padding=1), IMAGES),
    "MaxPool2d beyond": (lambda rng: L.MaxPool2d(3, stride=2, ceil_mode=True), IMAGES),
    "MaxPool2d dilated": (lambda rng: L.MaxPool2d(2, stride=1, padding=(1, (0, 2)), dilation=2), IMAGES),
    "Offset": (lambda rng: L.Offset(0.5), IMAGES),
    "PReLU": (lambda rng: L.PReLU(4), IMAGES),
    "PReLU of one slope": (lambda rng: L.PReLU(), (4, 9)),
    "PadChannels": (lambda rng: L.PadChannels(1, 2), IMAGES),
    "ReLU": (lambda rng: L.ReLU(), (4, 9)),
    "ReLU6": (lambda rng: L.ReLU6(), (8, 24)),
    "Res2": (lambda rng: L.Res2(_conv_bn(1, rng), _conv_bn(1, rng), _conv_bn(1, rng)), IMAGES),
    "Residual": (lambda rng: L.Residual(_conv_bn(4, rng)), IMAGES),
    "Residual projection": (lambda rng: L.Residual(_conv_bn(4, rng), L.Conv2d(4, 4, 1, rng=rng)), IMAGES),
    "RungeKutta": (lambda rng: L.RungeKutta("rk4", *(_conv_bn(4, rng) for _ in range(4))), IMAGES),
    "Scale": (lambda rng: L.Scale(0.5), (4, 9)),
    "Sequential": (lambda rng: L.Sequential(_conv_bn(4, rng), L.MaxPool2d(2), L.Flatten()), IMAGES),
    "SiLU": (lambda rng: L.SiLU(), (4, 9)),
    "Sigmoid": (lambda rng: L.Sigmoid(), (4, 9)),
    "SliceChannels": (lambda rng: L.SliceChannels(1, 3), IMAGES),
    "SqueezeExcite": (lambda rng: L.SqueezeExcite(_squeeze(4, rng)), IMAGES),
    "Subsample": (lambda rng: L.Subsample(2), IMAGES),
    "Tanh": (lambda rng: L.Tanh(), (4, 9)),
    "MeanSquaredError": (lambda rng: Objective(MeanSquaredError(), rng.standard_normal((4, 5))), (4, 5)),
    "SoftmaxCrossEntropy": (lambda rng: Objective(SoftmaxCrossEntropy(0.1), rng.integers(0, 5, 4)), (4, 5)),
    "SoftmaxCrossEntropy weighted": (_weighted, (4, 5)),
    "SoftmaxCrossEntropy of targets": (lambda rng: Objective(SoftmaxCrossEntropy(), rng.random((4, 5))), (4, 5)),
}


def case(name: str, seed: int) -> tuple[Any, Any]:
    """(make, x) of the row ``name``: a function that makes the same layer each time, and a random float64 input."""
    make, shape = CASES[name]
    return lambda: make(np.random.default_rng(seed)), np.random.default_rng(seed + 1).standard_normal(shape)
