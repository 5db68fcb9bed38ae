"""Bad input of every kind: the class of the error, what its message names, and that nothing has changed after it.

One long table, so that a missing kind is seen. Parts of a message that may be apart are divided by ``|``.
"""

import pickle
import re

import numpy as np
import pytest
from train.tiny_training import dataset

from minires import compile, errors
from minires.cases import CASES, case
from minires.data import CropFlip, Loader
from minires.errors import DeviceError, DTypeError, MiniresError, RangeError, ShapeError
from minires.initializers import generator, he_normal, he_uniform, xavier_normal, xavier_uniform
from minires.layers import (
    ELU,
    AdaptiveAvgPool2d,
    AvgPool2d,
    BatchNorm1d,
    BatchNorm2d,
    Concat,
    Conv2d,
    Dropout,
    Flatten,
    Gate,
    GlobalAvgPool2d,
    GroupNorm,
    Identity,
    LayerNorm,
    LeakyReLU,
    Linear,
    MaxPool2d,
    PadChannels,
    PReLU,
    ReLU,
    Res2,
    Residual,
    RungeKutta,
    Scale,
    Sequential,
    Sigmoid,
    SliceChannels,
    Subsample,
    Tanh,
)
from minires.losses import MeanSquaredError, Objective, SoftmaxCrossEntropy
from minires.models import build
from minires.ops import out_sizes
from minires.trace import sample_paths


def f32(*shape):
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def f64(*shape):
    return f32(*shape).astype(np.float64)


def conv(c=3, m=4, kernel=3, **settings):
    return Conv2d(c, m, kernel, rng=0, **settings)


def two_way(stride=1, shortcut=None):
    return Residual(Sequential(conv=conv(4, 4, padding=1, stride=stride), relu=ReLU()), shortcut)


def nested():
    return Sequential(stem=conv(3, 4, padding=1), stage=Sequential(two_way(), two_way()), pool=GlobalAvgPool2d())


# id: (call, error, parts of the message)
SETTINGS = {
    "no channels": (lambda: conv(0), RangeError, "Conv2d: in_channels is 0, expected an integer of at least 1"),
    "channels a float": (lambda: conv(3, 4.0), RangeError, "Conv2d: out_channels is 4.0, expected an integer"),
    "channels a string": (lambda: BatchNorm2d("16"), RangeError, "BatchNorm2d: channels is '16', expected an integer"),
    "kernel 0": (lambda: conv(kernel=0), RangeError, "Conv2d: kernel is 0, expected an integer or a pair"),
    "kernel of three": (lambda: conv(kernel=(3, 3, 3)), RangeError, "Conv2d: kernel is (3, 3, 3), expected"),
    "stride 0": (lambda: conv(stride=0), RangeError, "Conv2d: stride is 0, expected|each at least 1"),
    "stride half": (lambda: conv(stride=0.5), RangeError, "Conv2d: stride is 0.5, expected"),
    "padding -1": (lambda: conv(padding=-1), RangeError, "Conv2d: padding is -1, expected|each at least 0"),
    "padding a word": (lambda: conv(padding="same"), RangeError, "Conv2d: padding is 'same', expected an integer"),
    "dilation 0": (lambda: conv(dilation=(1, 0)), RangeError, "Conv2d: dilation is (1, 0), expected"),
    "groups 0": (lambda: conv(groups=0), RangeError, "Conv2d: groups is 0, expected an integer of at least 1"),
    "groups that do not divide": (
        lambda: conv(4, 6, groups=4),
        RangeError,
        "Conv2d: groups=4 does not divide both in_channels=4 and out_channels=6: choose a common divisor",
    ),
    "no features": (lambda: Linear(0, 3, rng=0), RangeError, "Linear: in_features is 0, expected"),
    "rng None": (lambda: Linear(2, 3, rng=None), DTypeError, "rng is None, expected a numpy.random.Generator|rng=0"),
    "rng a RandomState": (lambda: generator(np.random.RandomState(0)), DTypeError, "rng is RandomState|rng=0"),
    "seed -1": (lambda: Dropout(rng=-1), RangeError, "rng is the seed -1, expected a seed of at least 0"),
    "momentum 0": (lambda: BatchNorm2d(4, momentum=0), RangeError, "BatchNorm2d: momentum is 0, expected 0 < momentum"),
    "momentum above 1": (lambda: BatchNorm1d(4, momentum=1.1), RangeError, "BatchNorm1d: momentum is 1.1, expected"),
    "momentum None": (lambda: BatchNorm2d(4, momentum=None), DTypeError, "BatchNorm2d: momentum is None, expected a"),
    "eps below 0": (lambda: BatchNorm2d(4, eps=-1e-5), RangeError, "BatchNorm2d: eps is -1e-05, expected eps >= 0"),
    "eps NaN": (lambda: GroupNorm(2, 4, eps=np.nan), RangeError, "GroupNorm: eps is nan, expected eps >= 0"),
    "eps a string": (lambda: GroupNorm(2, 4, eps="tiny"), DTypeError, "GroupNorm: eps is 'tiny', expected a number"),
    "channels of GroupNorm": (lambda: GroupNorm(1, 0), RangeError, "GroupNorm: channels is 0, expected an integer"),
    "shape of LayerNorm": (lambda: LayerNorm((3, 0)), RangeError, "LayerNorm: shape is 0, expected an integer"),
    "eps of LayerNorm": (lambda: LayerNorm(3, eps=-1), RangeError, "LayerNorm: eps is -1.0, expected eps >= 0"),
    "groups of channels": (
        lambda: GroupNorm(3, 4),
        RangeError,
        "GroupNorm: groups=3 does not divide channels=4|divisor",
    ),
    "p = 1": (lambda: Dropout(1, rng=0), RangeError, "Dropout: p is 1, expected 0 <= p < 1|probability to drop"),
    "p below 0": (lambda: Dropout(-0.1, rng=0), RangeError, "Dropout: p is -0.1, expected 0 <= p < 1"),
    "p a list": (lambda: Dropout([0.5], rng=0), DTypeError, "Dropout: p is [0.5], expected a number"),
    "slope below 0": (lambda: LeakyReLU(-0.1), RangeError, "LeakyReLU: slope is -0.1, expected slope >= 0"),
    "channels of PReLU": (lambda: PReLU(0), RangeError, "PReLU: channels is 0, expected an integer"),
    "slope of PReLU": (lambda: PReLU(slope="a"), DTypeError, "PReLU: slope is 'a', expected a number"),
    "alpha 0": (lambda: ELU(0), RangeError, "ELU: alpha is 0, expected alpha > 0"),
    "alpha None": (lambda: ELU(None), DTypeError, "ELU: alpha is None, expected a number"),
    "factor a string": (lambda: Scale("half"), DTypeError, "Scale: factor is 'half', expected a number"),
    "before below 0": (
        lambda: PadChannels(-1, 0),
        RangeError,
        "PadChannels: before is -1, expected an integer of at least 0",
    ),
    "after a float": (
        lambda: PadChannels(0, 0.5),
        RangeError,
        "PadChannels: after is 0.5, expected an integer of at least 0",
    ),
    "subsample 0": (lambda: Subsample(0), RangeError, "Subsample: stride is 0, expected an integer of at least 1"),
    "pool padding": (
        lambda: MaxPool2d(3, padding=(2, 3)),
        RangeError,
        "MaxPool2d: padding is (2, 3), expected less than what the kernel covers, (3, 3)|see no pixel",
    ),
    "pool dilation 0": (lambda: MaxPool2d(2, dilation=0), RangeError, "MaxPool2d: dilation is 0, expected"),
    "pool stride 0": (lambda: AvgPool2d(2, stride=0), RangeError, "AvgPool2d: stride is 0, expected"),
    "smoothing 1": (
        lambda: SoftmaxCrossEntropy(1),
        RangeError,
        "SoftmaxCrossEntropy: label_smoothing is 1, expected 0 <=",
    ),
    "smoothing None": (
        lambda: SoftmaxCrossEntropy(None),
        DTypeError,
        "SoftmaxCrossEntropy: label_smoothing is None, expected",
    ),
    "a class for a layer": (
        lambda: Sequential(ReLU, conv()),
        DTypeError,
        "Sequential: 0 is <class|expected a Layer|ReLU(), with parentheses",
    ),
    "a list of layers": (
        lambda: Sequential([ReLU()]),
        DTypeError,
        "Sequential: 0 is [ReLU()], expected|Sequential(*layers)",
    ),
    "two layers of one name": (
        lambda: Sequential(ReLU(), **{"0": ReLU()}),
        RangeError,
        "Sequential: two layers are called '0'|name all layers or none",
    ),
    "a function for a branch": (
        lambda: Residual(np.tanh),
        DTypeError,
        "Residual: branch is <ufunc 'tanh'>, expected a Layer",
    ),
    "a class for a shortcut": (lambda: Residual(ReLU(), Identity), DTypeError, "Residual: shortcut is <class"),
    "a class for a gate": (lambda: Gate(ReLU(), Sigmoid), DTypeError, "Gate: gate is <class|expected a Layer"),
    "a class for the branch of a gate": (
        lambda: Gate(ReLU, Sigmoid()),
        DTypeError,
        "Gate: branch is <class|expected a Layer",
    ),
    "a class in Concat": (lambda: Concat(a=ReLU), DTypeError, "Concat: a is <class|expected a Layer"),
    "a class in Res2": (lambda: Res2(ReLU), DTypeError, "Res2: 0 is <class|expected a Layer"),
    "a class in RungeKutta": (
        lambda: RungeKutta("euler", ReLU),
        DTypeError,
        "RungeKutta: k1 is <class|expected a Layer",
    ),
    "an empty Concat": (lambda: Concat(), RangeError, "Concat: Concat() has no branches, expected at least one"),
    "an empty slice": (
        lambda: SliceChannels(0, 0),
        RangeError,
        "SliceChannels: start is 0 and stop is 0, expected start < stop",
    ),
    "fan 0": (lambda: he_normal((2, 2), 0, 0), RangeError, "fan is 0, expected a positive number"),
    "fan below 0": (lambda: he_uniform((2, 2), -3, 0), RangeError, "fan is -3, expected a positive number"),
    "fan_in below 0": (lambda: xavier_normal((2, 2), -1, 3, 0), RangeError, "fan_in is -1, expected a positive number"),
    "fan_out 0": (lambda: xavier_uniform((2, 2), 1, 0, 0), RangeError, "fan_out is 0, expected a positive number"),
    "no window fits": (
        lambda: out_sizes((9, 2), (3, 3), (1, 1), (0, 0)),
        ShapeError,
        "the window covers 3 pixels along W, the input has 2|smaller kernel",
    ),
}

# id: (make, call(layer), error, parts of the message)
CALLS = {
    "a list": (
        ReLU,
        lambda f: f([1.0]),
        DTypeError,
        "ReLU: input is a list, expected a NumPy or CuPy array|np.asarray",
    ),
    "None": (conv, lambda f: f(None), DTypeError, "Conv2d: input is a NoneType, expected a NumPy or CuPy array"),
    "integers": (
        conv,
        lambda f: f(f32(1, 3, 8, 8).astype(int)),
        DTypeError,
        "Conv2d: input is int64, expected float32|.astype(",
    ),
    "bytes": (
        Flatten,
        lambda f: f(np.zeros((1, 2), np.uint8)),
        DTypeError,
        "Flatten: input is uint8, expected float32",
    ),
    "float16": (
        conv,
        lambda f: f(f32(1, 3, 8, 8).astype("f2")),
        DTypeError,
        "Conv2d: input is float16, expected float32",
    ),
    "objects": (ReLU, lambda f: f(np.array([1.0, None])), DTypeError, "ReLU: input is object, expected float32"),
    "strings": (ReLU, lambda f: f(np.array(["1.0"])), DTypeError, "ReLU: input is <U3, expected float32"),
    "float64 into float32": (
        conv,
        lambda f: f(f64(1, 3, 8, 8)),
        DTypeError,
        "Conv2d: input is float64, the layer float32|input.astype(np.float32)|layer.to(dtype=np.float64)",
    ),
    "float32 into float64": (
        lambda: Linear(3, 2, rng=0).to(dtype=np.float64),
        lambda f: f(f32(4, 3)),
        DTypeError,
        "Linear: input is float32, the layer float64|input.astype(np.float64)",
    ),
    "float64 into a norm": (
        lambda: BatchNorm2d(3),
        lambda f: f(f64(2, 3, 2, 2)),
        DTypeError,
        "BatchNorm2d: input is float64",
    ),
    "to float16": (
        conv,
        lambda f: f.to(dtype=np.float16),
        DTypeError,
        "Conv2d: dtype is float16, expected float32 or float64",
    ),
    "to integers": (nested, lambda f: f.to(dtype=int), DTypeError, "Sequential: dtype is int64, expected float32"),
    "no axes": (
        Flatten,
        lambda f: f(np.float32(1)),
        ShapeError,
        "Flatten: input has no axes, expected at least a batch axis",
    ),
    "an image without batch": (
        conv,
        lambda f: f(f32(3, 8, 8)),
        ShapeError,
        "Conv2d: input has 3 axes (3, 8, 8), expected 4 (N, C, H, W)|x[None]",
    ),
    "images into Linear": (
        lambda: Linear(12, 2, rng=0),
        lambda f: f(f32(2, 3, 2, 2)),
        ShapeError,
        "Linear: input has 4 axes (2, 3, 2, 2), expected 2 (N, D)",
    ),
    "features into a pool": (
        lambda: MaxPool2d(2),
        lambda f: f(f32(2, 3)),
        ShapeError,
        "MaxPool2d: input has 2 axes (2, 3)",
    ),
    "images into BatchNorm1d": (
        lambda: BatchNorm1d(3),
        lambda f: f.forward(f32(2, 3, 2, 2), train=True),
        ShapeError,
        "BatchNorm1d: input has 4 axes (2, 3, 2, 2), expected 2 (N, C)",
    ),
    "empty batch": (
        conv,
        lambda f: f(f32(0, 3, 8, 8)),
        ShapeError,
        "Conv2d: input is empty: axis 0 of (0, 3, 8, 8) is 0, expected at least 1: drop empty batches",
    ),
    "images without rows": (GlobalAvgPool2d, lambda f: f(f32(1, 3, 0, 8)), ShapeError, "axis 2 of (1, 3, 0, 8) is 0"),
    "channels": (
        conv,
        lambda f: f(f32(2, 5, 8, 8)),
        ShapeError,
        "Conv2d: input has 5 channels (axis 1 of (2, 5, 8, 8)), the layer expects 3: build the layer for 5 channels",
    ),
    "channels last": (
        conv,
        lambda f: f(f32(2, 8, 8, 3)),
        ShapeError,
        "Conv2d: input has 8 channels (axis 1 of|expects 3",
    ),
    "channels of a norm": (
        lambda: BatchNorm2d(4),
        lambda f: f.forward(f32(2, 3, 4, 4), train=True),
        ShapeError,
        "BatchNorm2d: input has 3 channels (axis 1 of (2, 3, 4, 4)), the layer expects 4",
    ),
    "channels of groups": (
        lambda: GroupNorm(2, 4),
        lambda f: f(f32(2, 6, 4, 4)),
        ShapeError,
        "GroupNorm: input has 6 channels",
    ),
    "features": (
        lambda: Linear(5, 2, rng=0),
        lambda f: f(f32(2, 4)),
        ShapeError,
        "Linear: input has 4 features (axis 1|expects 5",
    ),
    "kernel larger than the image": (
        lambda: conv(kernel=(3, 5), padding=(0, 1)),
        lambda f: f(f32(1, 3, 4, 2)),
        ShapeError,
        "Conv2d: the window covers 5 pixels along W, the input has 2 (with padding 4): use larger images, more padding",
    ),
    "dilated kernel": (
        lambda: conv(dilation=4),
        lambda f: f(f32(1, 3, 8, 8)),
        ShapeError,
        "the window covers 9 pixels along H",
    ),
    "pool larger than the image": (
        lambda: AvgPool2d(5),
        lambda f: f(f32(1, 1, 4, 9)),
        ShapeError,
        "AvgPool2d: the window covers 5",
    ),
    "one value per channel": (
        lambda: BatchNorm2d(3),
        lambda f: f.forward(f32(1, 3, 1, 1), train=True),
        ShapeError,
        "BatchNorm2d: 1 value per channel in training (input (1, 3, 1, 1)), the variance needs at least 2|train=False",
    ),
    "a batch of one": (
        lambda: Sequential(BatchNorm1d(3)),
        lambda f: f.forward(f32(1, 3), train=True),
        ShapeError,
        "0 (BatchNorm1d): 1 value per channel in training (input (1, 3))|a larger batch",
    ),
    "one value per group": (
        lambda: GroupNorm(4, 4),
        lambda f: f(f32(2, 4, 1, 1)),
        ShapeError,
        "GroupNorm: 1 value per group of channels (input (2, 4, 1, 1))|fewer groups",
    ),
    "path in a nested model": (
        lambda: Sequential(stage=Sequential(Identity(), Residual(Sequential(conv(8))))),
        lambda f: f(f32(1, 4, 8, 8)),
        ShapeError,
        "stage.1.branch.0 (Conv2d): input has 4 channels (axis 1 of (1, 4, 8, 8)), the layer expects 8",
    ),
    "path in training": (
        nested,
        lambda f: f.forward(f64(1, 3, 8, 8), train=True),
        DTypeError,
        "stem (Conv2d): input is float64",
    ),
    "branch and shortcut differ in size": (
        lambda: Sequential(Sequential(two_way(stride=2))),
        lambda f: f(f32(1, 4, 8, 8)),
        ShapeError,
        "0.0 (Residual): the branch gives (1, 4, 4, 4), the shortcut (1, 4, 8, 8) (axis 2 differs)|option A|option B",
    ),
    "branch and shortcut differ in channels": (
        lambda: two_way(shortcut=conv(4, 6, kernel=1)),
        lambda f: f(f32(1, 4, 8, 8)),
        ShapeError,
        "Residual: the branch gives (1, 4, 8, 8), the shortcut (1, 6, 8, 8) (axis 1 differs)",
    ),
    "branch and gate differ": (
        lambda: Gate(conv(4, 4, padding=1), conv(4, 1, kernel=1)),
        lambda f: f(f32(1, 4, 8, 8)),
        ShapeError,
        "Gate: the gate gives (1, 1, 8, 8), the input (1, 4, 8, 8) (axis 1 differs)",
    ),
    "branch of a gate": (
        lambda: Gate(conv(4, 4), conv(4, 4, padding=1)),
        lambda f: f(f32(1, 4, 8, 8)),
        ShapeError,
        "Gate: the branch gives (1, 4, 6, 6), the input (1, 4, 8, 8) (axis 2 differs)",
    ),
    "function of Res2": (
        lambda: Res2(conv(2, 2)),
        lambda f: f(f32(1, 4, 8, 8)),
        ShapeError,
        "Res2: function 0 gives (1, 2, 6, 6), its group (1, 2, 8, 8) (axis 2 differs)",
    ),
    "function of RungeKutta": (
        lambda: RungeKutta("euler", conv(4, 2, padding=1)),
        lambda f: f(f32(1, 4, 8, 8)),
        ShapeError,
        "RungeKutta: k1 gives (1, 2, 8, 8), the input (1, 4, 8, 8) (axis 1 differs)",
    ),
    "branches to join differ": (
        lambda: Concat(left=Identity(), right=conv(4, 4)),
        lambda f: f(f32(1, 4, 8, 8)),
        ShapeError,
        "Concat: right gives (1, 4, 6, 6), left gives (1, 4, 8, 8)|axis 1|padding",
    ),
    "gate in a model": (
        lambda: Sequential(Gate(ReLU(), Sequential(conv(8), Sigmoid()))),
        lambda f: f(f32(1, 4, 8, 8)),
        ShapeError,
        "0.gate.0 (Conv2d): input has 4 channels",
    ),
    "dy of another batch": (
        lambda: conv(bias=True),
        lambda f: f.backward(f32(3, 4, 6, 6), f.forward(f32(2, 3, 8, 8))[1]),
        ShapeError,
        "Conv2d: dy has shape (3, 4, 6, 6), the output of forward had (2, 4, 6, 6) (axis 0 differs)|same forward",
    ),
    "dy with an axis too few": (
        lambda: BatchNorm2d(3),
        lambda f: f.backward(f32(2, 3, 8), f.forward(f32(2, 3, 8, 8))[1]),
        ShapeError,
        "BatchNorm2d: dy has shape (2, 3, 8), the output of forward had (2, 3, 8, 8) (axis 3 differs)",
    ),
    "dy of a scalar loss": (
        lambda: Linear(3, 2, rng=0),
        lambda f: f.backward(np.float32(1), f.forward(f32(4, 3))[1]),
        ShapeError,
        "Linear: dy has shape (), the output of forward had (4, 2)",
    ),
    "dy in float64": (
        lambda: Linear(3, 2, rng=0),
        lambda f: f.backward(f64(4, 2), f.forward(f32(4, 3))[1]),
        DTypeError,
        "Linear: dy is float64, the layer float32|dy.astype(np.float32)",
    ),
    "dy in float64 deep down": (
        nested,
        lambda f: f.backward(f64(1, 4, 1, 1), f.forward(f32(1, 3, 8, 8))[1]),
        DTypeError,
        "stage.1.branch.conv (Conv2d): dy is float64, the layer float32",
    ),
    "dy of integers": (
        ReLU,
        lambda f: f.backward(np.ones(3, int), f.forward(f32(3))[1]),
        DTypeError,
        "ReLU: dy is int64",
    ),
    "dy a list": (Sigmoid, lambda f: f.backward([1.0] * 3, f.forward(f32(3))[1]), DTypeError, "Sigmoid: dy is a list"),
    "dy of another shape in evaluation": (
        lambda: Dropout(rng=0),
        lambda f: f.backward(f32(2, 3), f.forward(f32(3, 2))[1]),
        ShapeError,
        "Dropout: dy has shape (2, 3), the output of forward had (3, 2) (axis 0 differs)",
    ),
    "dy of another shape in a model": (
        nested,
        lambda f: f.backward(f32(1, 4, 8, 8), f.forward(f32(1, 3, 8, 8))[1]),
        ShapeError,
        "pool (GlobalAvgPool2d): dy has shape (1, 4, 8, 8), the output of forward had (1, 4, 1, 1)",
    ),
    "dy of a concatenation": (
        lambda: Concat(a=Identity(), b=conv(4, 2, kernel=1)),
        lambda f: f.backward(f32(1, 5, 8, 8), f.forward(f32(1, 4, 8, 8))[1]),
        ShapeError,
        "Concat: dy has shape (1, 5, 8, 8), the output of forward had (1, 6, 8, 8) (axis 1 differs)",
    ),
    "dy of an objective": (
        lambda: Objective(MeanSquaredError(), f32(3)),
        lambda f: f.backward(f32(1), f.forward(f32(3))[1]),
        ShapeError,
        "Objective: dy has shape (1,), the output of forward had ()",
    ),
}


def labels_of(*values):
    return np.array(values)


CE = SoftmaxCrossEntropy()
LOSSES = {
    "labels a list": (
        lambda: CE.forward(f32(2, 3), [0, 1]),
        DTypeError,
        "SoftmaxCrossEntropy: labels are list, expected an array of integers",
    ),
    "labels masked": (
        lambda: CE.forward(f32(2, 3), np.ma.array([0, 1], mask=[0, 1])),
        DTypeError,
        "SoftmaxCrossEntropy: labels is a masked array",
    ),
    "logits a list": (
        lambda: CE.forward([[1.0, 2.0]], labels_of(0)),
        DTypeError,
        "SoftmaxCrossEntropy: logits is a list",
    ),
    "outputs a list": (
        lambda: MeanSquaredError().forward([1.0], f32(1)),
        DTypeError,
        "MeanSquaredError: outputs is a list",
    ),
    "labels floats": (
        lambda: CE.forward(f32(2, 3), labels_of(0.0, 1.0)),
        DTypeError,
        "labels are float64, expected|np.int64",
    ),
    "labels booleans": (lambda: CE.forward(f32(2, 3), labels_of(True, False)), DTypeError, "labels are bool, expected"),
    "labels one-hot": (
        lambda: CE.forward(f32(2, 3), np.eye(3, dtype=int)[:2]),
        ShapeError,
        "labels have shape (2, 3), expected (2,), one a row of logits (2, 3)|labels.argmax(axis=1)",
    ),
    "labels one-hot booleans": (
        lambda: CE.forward(f32(2, 3), np.eye(3, dtype=bool)[:2]),
        ShapeError,
        "labels have shape (2, 3), expected (2,)|labels.argmax(axis=1)|labels.astype(np.float32)",
    ),
    "targets of another width": (
        lambda: CE.forward(f32(2, 3), f32(2, 4)),
        ShapeError,
        "labels are float32 of shape (2, 4), expected integers (2,) or floats (2, 3)",
    ),
    "targets below 0": (
        lambda: CE.forward(f32(2, 3), np.array([[0.0, 1, 0], [2, -1, 0]])),
        RangeError,
        "labels[1, 1] is -1.0, expected a finite number of at least 0",
    ),
    "targets are not left out": (
        lambda: SoftmaxCrossEntropy(ignore_index=-1).forward(f32(1, 3), np.array([[0.0, -1, 0]])),
        RangeError,
        "labels[0, 1] is -1.0, expected a finite number of at least 0",
    ),
    "targets of NaN": (
        lambda: CE.forward(f32(1, 3), np.array([[0.0, np.nan, 0]])),
        RangeError,
        "labels[0, 1] is nan, expected a finite number of at least 0",
    ),
    "label -100": (
        lambda: CE.forward(f32(2, 3), labels_of(1, -100)),
        RangeError,
        "labels[1] is -100, expected 0 <= label < 3|SoftmaxCrossEntropy(ignore_index=-100), or mend the labels",
    ),
    "label 255": (
        lambda: CE.forward(f32(2, 3), labels_of(1, 255)),
        RangeError,
        "labels[1] is 255|num_classes=256|SoftmaxCrossEntropy(ignore_index=255)",
    ),
    "a label that is not the one left out": (
        lambda: SoftmaxCrossEntropy(ignore_index=-1).forward(f32(2, 3), labels_of(-1, -2)),
        RangeError,
        "labels[1] is -2, expected 0 <= label < 3",
    ),
    "weights of other classes": (
        lambda: SoftmaxCrossEntropy(weight=[1, 2]).forward(f32(2, 3), labels_of(0, 1)),
        ShapeError,
        "weight has 2 numbers, logits (2, 3) have 3 classes",
    ),
    "weight below 0": (lambda: SoftmaxCrossEntropy(weight=[1, -2]), RangeError, "weight[1] is -2.0, expected a finite"),
    "weight infinite": (lambda: SoftmaxCrossEntropy(weight=[np.inf]), RangeError, "weight[0] is inf, expected a"),
    "weight a number": (lambda: SoftmaxCrossEntropy(weight=2), DTypeError, "weight is 2, expected numbers, one a"),
    "weight words": (lambda: SoftmaxCrossEntropy(weight="ab"), DTypeError, "weight is 'ab', expected numbers, one a"),
    "ignore_index a float": (
        lambda: SoftmaxCrossEntropy(ignore_index=1.0),
        DTypeError,
        "ignore_index is 1.0, expected an integer or None",
    ),
    "ignore_index a bool": (
        lambda: SoftmaxCrossEntropy(ignore_index=True),
        DTypeError,
        "ignore_index is True, expected an integer or None",
    ),
    "too many labels": (
        lambda: CE.forward(f32(2, 3), labels_of(0, 1, 2)),
        ShapeError,
        "labels have shape (3,), expected (2,)|pass the labels of these images",
    ),
    "too few labels of another type": (
        lambda: CE.forward(f32(2, 3), labels_of(1).astype(np.uint8)),
        ShapeError,
        "labels have shape (1,), expected (2,)",
    ),
    "label too large": (
        lambda: CE.forward(f32(2, 3), labels_of(1, 3)),
        RangeError,
        "SoftmaxCrossEntropy: labels[1] is 3, expected 0 <= label < 3|num_classes=4",
    ),
    "label below 0": (
        lambda: CE.forward(f32(2, 3), labels_of(-1, 2)),
        RangeError,
        "labels[0] is -1, expected 0 <= label < 3",
    ),
    "logits of images": (
        lambda: CE.forward(f32(2, 3, 1, 1), labels_of(0, 1)),
        ShapeError,
        "logits has 4 axes (2, 3, 1, 1)|(N, K)",
    ),
    "logits integers": (
        lambda: CE.forward(labels_of([1, 2]), labels_of(0)),
        DTypeError,
        "logits is int64, expected float32",
    ),
    "no logits": (
        lambda: CE.forward(f32(0, 3), np.zeros(0, int)),
        ShapeError,
        "logits is empty: axis 0 of (0, 3) is 0",
    ),
    "targets that broadcast": (
        lambda: MeanSquaredError().forward(f32(4, 1), f32(4)),
        ShapeError,
        "MeanSquaredError: targets have shape (4,), outputs (4, 1), expected the same: reshape",
    ),
    "targets in float64": (
        lambda: MeanSquaredError().forward(f32(4), f64(4)),
        DTypeError,
        "targets is float64|float32",
    ),
    "targets a list": (
        lambda: MeanSquaredError().forward(f32(1), [1.0]),
        DTypeError,
        "MeanSquaredError: targets is a list",
    ),
}

# id: (call(to_gpu), parts of the message), with the strict stand-in for CuPy as the GPU
DEVICES = {
    "x of a convolution": (
        lambda gpu: conv()(gpu(f32(1, 3, 8, 8))),
        'Conv2d: input is on cuda, the layer on cpu: minires.to_device(input, "cpu") or layer.to(device="cuda")',
    ),
    "x of a model on the GPU": (
        lambda gpu: nested().to(device="cuda")(f32(1, 3, 8, 8)),
        "stem (Conv2d): input is on cpu|cuda",
    ),
    "x of batch norm": (
        lambda gpu: BatchNorm1d(3).forward(gpu(f32(4, 3)), train=True),
        "BatchNorm1d: input is on cuda",
    ),
    "dy of Linear": (
        lambda gpu: (f := Linear(3, 2, rng=0)).backward(gpu(f32(4, 2)), f.forward(f32(4, 3))[1]),
        "Linear: dy is on cuda, the layer on cpu",
    ),
    "dy of an activation": (
        lambda gpu: (f := Sigmoid()).backward(f32(4), f.forward(gpu(f32(4)))[1]),
        "Sigmoid: dy is on cpu",
    ),
    "labels": (
        lambda gpu: CE.forward(gpu(f32(2, 3)), labels_of(0, 1)),
        'SoftmaxCrossEntropy: labels are on cpu, logits on cuda: minires.to_device(labels, "cuda")',
    ),
    "targets": (
        lambda gpu: MeanSquaredError().forward(gpu(f32(2)), f32(2)),
        "MeanSquaredError: targets is on cpu|cuda",
    ),
}


BOOLEANS = {  # Python counts with True and False; a size is neither
    "in_channels": lambda b: Conv2d(b, 3, 3, rng=0),
    "out_channels": lambda b: Conv2d(3, b, 3, rng=0),
    "kernel": lambda b: conv(kernel=b),
    "kernel of a pair": lambda b: conv(kernel=(3, b)),
    "stride": lambda b: conv(stride=b),
    "padding": lambda b: conv(padding=b),
    "dilation": lambda b: conv(dilation=b),
    "groups": lambda b: conv(groups=b),
    "in_features": lambda b: Linear(b, 3, rng=0),
    "out_features": lambda b: Linear(3, b, rng=0),
    "channels": lambda b: BatchNorm2d(b),
    "groups of a norm": lambda b: GroupNorm(b, 4),
    "kernel of a max pool": lambda b: MaxPool2d(b),
    "stride of a pool": lambda b: AvgPool2d(2, stride=b),
    "padding of a pool": lambda b: MaxPool2d(2, padding=b),
    "size": lambda b: AdaptiveAvgPool2d(b),
    "stride of Subsample": lambda b: Subsample(b),
    "before": lambda b: PadChannels(b, 0),
    "after": lambda b: PadChannels(0, b),
    "start": lambda b: SliceChannels(b, 3),
    "stop": lambda b: SliceChannels(0, b),
    "num_classes": lambda b: build("resnet8", num_classes=b, rng=0),
    "batch_size": lambda b: Loader(dataset(24, seed=0), b, seed=0, shuffle=False),
    "pad": lambda b: CropFlip(pad=b),
    "dropout": lambda b: build("wrn_10_1", dropout=b, rng=0),
    "samples": lambda b: sample_paths(None, samples=b, rng=0),
    "threads": lambda b: compile(ReLU(), threads=b),
}


@pytest.mark.parametrize("value", [True, False])
@pytest.mark.parametrize("name", BOOLEANS)
def test_a_boolean_is_no_size(name, value):
    with pytest.raises(RangeError, match=rf"{name.split()[0]} is .*{value}.*, expected") as caught:
        BOOLEANS[name](value)
    assert type(caught.value) is RangeError
    assert_names(caught.value, "")


@pytest.mark.parametrize("make", [Scale, LeakyReLU, ELU, lambda p: Dropout(p, rng=0), SoftmaxCrossEntropy])
def test_a_boolean_is_no_number(make):
    with pytest.raises(DTypeError, match="is True, expected a number") as caught:
        make(True)
    assert_names(caught.value, "")


BAD_NAMES = {"Sequential": lambda name: Sequential(**{name: ReLU()}), "Concat": lambda name: Concat(**{name: ReLU()})}


@pytest.mark.parametrize("name", ["a.b", "", ".", "0."])
@pytest.mark.parametrize("kind", BAD_NAMES)
def test_names_that_no_path_can_hold(kind, name):
    with pytest.raises(RangeError, match=f"{kind}: a layer is called '{name}', expected a name that is not empty and"):
        BAD_NAMES[kind](name)


PARENTS = {
    "Sequential": (lambda: Sequential(a=ReLU(), b=Tanh()), "a, b"),
    "Concat": (lambda: Concat(a=ReLU(), b=Tanh()), "a, b"),
    "Residual": (lambda: Residual(ReLU()), "shortcut, branch"),
    "Gate": (lambda: Gate(ReLU(), Sigmoid()), "branch, gate"),
    "Res2": (lambda: Res2(ReLU()), "0"),
    "RungeKutta": (lambda: RungeKutta("heun", ReLU(), ReLU()), "k1, k2"),
    "ReLU": (ReLU, "none"),
}


@pytest.mark.parametrize("kind", PARENTS)
def test_only_a_child_that_is_there_can_be_replaced(kind):
    make, children = PARENTS[kind]
    for parent in (make(), compile(make())):
        before = repr(parent)
        for name in ("brnach", "a.b", "", "layers"):
            message = f"{kind}: there is no child called '{name}', the children are {children}"
            with pytest.raises(RangeError, match=re.escape(message)):
                parent.set_child(name, ReLU())
        if children != "none":
            name = children.split(", ")[-1]
            with pytest.raises(DTypeError, match=f"{kind}: {name} is <class.*expected a Layer"):
                parent.set_child(name, ReLU)
            assert repr(parent) == before
            parent.set_child(name, Scale(3))
            assert isinstance(dict(parent.children())[name], Scale)


def assert_names(error, parts):
    assert "NoneType:" not in str(error), "the error does not name the layer"
    for part in parts.split("|"):
        assert part in str(error), f"{part!r} is not in {str(error)!r}"


@pytest.mark.parametrize("call, error, parts", (SETTINGS | LOSSES).values(), ids=SETTINGS | LOSSES)
def test_bad_settings_and_targets(call, error, parts):
    with pytest.raises(error) as caught:
        call()
    assert type(caught.value) is error
    assert_names(caught.value, parts)


def state(layer):
    values = {name: (t.data.tobytes(), getattr(t, "grad", t.data).tobytes()) for name, t in layer.tensors()}
    return values, {name: rng.bit_generator.state for name, rng in layer.generators()}


@pytest.mark.parametrize("make, call, error, parts", CALLS.values(), ids=CALLS)
def test_bad_calls_change_nothing(make, call, error, parts):
    layer = make()
    for _, p in layer.params():
        p.grad += 1
    before = state(layer)
    with pytest.raises(error) as caught:
        call(layer)
    assert type(caught.value) is error
    assert_names(caught.value, parts)
    assert state(layer) == before


ANY_AXES = {"Flatten", "Gain", "LayerNorm", "Offset", "PReLU"}  # layers of images and of much else


@pytest.mark.parametrize("name", CASES)
def test_every_layer_names_itself_and_the_axes(name):
    make, x = case(name, 0)
    layer = make().to(dtype=np.float64)
    y, cache = layer.forward(x)
    layer_of = r"([\w.]+ \()?[A-Z]\w+\)?"  # "0.branch (Conv2d)" inside of containers
    with pytest.raises(DTypeError, match=f"^{layer_of}: (input|logits|outputs) is a list, expected") as caught:
        layer.forward(x.tolist())
    assert_names(caught.value, "")
    with pytest.raises(ShapeError, match=f"^{layer_of}: dy has shape .*, the output of forward had") as caught:
        layer.backward(np.ones((*np.shape(y), 2)), cache)
    assert_names(caught.value, "")
    if x.ndim == 4 and name.split()[0] not in ANY_AXES:
        with pytest.raises(ShapeError) as caught:
            layer.forward(x[0])
        assert_names(caught.value, "input has 3 axes (4, 5, 6), expected 4 (N, C, H, W)")


@pytest.mark.parametrize("call, parts", DEVICES.values(), ids=DEVICES)
def test_arrays_on_different_devices(call, parts, strict):
    with pytest.raises(DeviceError) as caught:
        call(strict.asarray)
    assert_names(caught.value, parts)


def test_arrays_of_another_library():
    torch = pytest.importorskip("torch")
    with pytest.raises(DTypeError, match="ReLU: input is a Tensor, expected a NumPy or CuPy array"):
        ReLU()(torch.zeros(3))
    with pytest.raises(DTypeError, match="labels are torch.int64, expected an array of integers"):
        CE.forward(f32(1, 2), torch.zeros(1, dtype=torch.int64))


def test_every_error_is_also_the_builtin_that_fits():
    for error, builtin in ((ShapeError, ValueError), (DTypeError, TypeError), (DeviceError, RuntimeError)):
        assert issubclass(error, MiniresError) and issubclass(error, builtin)
    public = [e for e in vars(errors).values() if isinstance(e, type)]
    assert all(issubclass(e, MiniresError) and e.__doc__ for e in public)


def test_an_error_keeps_its_path_when_pickled():
    error = ShapeError("axis 1 is 3, expected 4", "Conv2d").within("0").within("stage")
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error) == "stage.0 (Conv2d): axis 1 is 3, expected 4"


def test_an_error_without_a_layer_is_its_message():
    assert str(RangeError("p is 2")) == "p is 2"
    assert str(RangeError("p is 2", "Dropout")) == "Dropout: p is 2"


def test_there_are_more_than_sixty_kinds():
    assert len(SETTINGS) + len(CALLS) + len(LOSSES) + len(DEVICES) >= 60
