"""The layers: hand-written pairs of ``forward`` and ``backward``."""

from .activation import ELU, GELU, HardSwish, LeakyReLU, PReLU, ReLU, ReLU6, Sigmoid, SiLU, Tanh
from .affine import Gain, Offset
from .base import Buffer, Fork, Layer, Param
from .containers import Concat, Gate, Residual, Sequential, SqueezeExcite
from .conv import Conv2d
from .dropout import Dropout
from .linear import Linear
from .norm import BatchNorm1d, BatchNorm2d, GroupNorm, LayerNorm
from .parts import replace
from .pool import AdaptiveAvgPool2d, AvgPool2d, GlobalAvgPool2d, MaxPool2d
from .res2 import Res2
from .runge_kutta import RungeKutta
from .shape import Flatten, Identity, PadChannels, Scale, SliceChannels, Subsample
from .watch import observe

__all__ = [
    "AdaptiveAvgPool2d",
    "AvgPool2d",
    "BatchNorm1d",
    "BatchNorm2d",
    "Buffer",
    "Concat",
    "Conv2d",
    "Dropout",
    "ELU",
    "Flatten",
    "Fork",
    "GELU",
    "Gain",
    "Gate",
    "GlobalAvgPool2d",
    "GroupNorm",
    "HardSwish",
    "Identity",
    "Layer",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "MaxPool2d",
    "Offset",
    "PReLU",
    "PadChannels",
    "Param",
    "ReLU",
    "ReLU6",
    "Res2",
    "Residual",
    "RungeKutta",
    "Scale",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "SliceChannels",
    "SqueezeExcite",
    "Subsample",
    "Tanh",
    "observe",
    "replace",
]
