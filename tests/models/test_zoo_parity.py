"""Forward, dx, every gradient and every running statistic of one member of each family equal PyTorch's in float64."""

from functools import partial

import numpy as np
import pytest
from models import torch_zoo as T
from oracles import run, upstream

from minires.models import build

RESNET18, RESNET50 = (2, 2, 2, 2), (3, 4, 6, 3)

# name: (options, the network in PyTorch, rows and columns of the images)
NETS = {
    "resnet18": ({}, partial(T.imagenet, block=T.v1_basic, counts=RESNET18), 33),
    "resnet18 A": ({"shortcut": "A"}, partial(T.imagenet, block=T.v1_basic, counts=RESNET18), 33),
    "resnet18 C": ({"shortcut": "C"}, partial(T.imagenet, block=T.v1_basic, counts=RESNET18), 33),
    "plain18": ({}, partial(T.imagenet, block=T.plain_basic, counts=RESNET18), 33),
    "resnet50": ({}, partial(T.imagenet, block=T.v1_bottleneck, counts=RESNET50), 33),
    "resnet50 1x1": (
        {"stride_on": "1x1"},
        partial(T.imagenet, block=T.v1_bottleneck, counts=RESNET50, on_1x1=True),
        33,
    ),
    "resnetv2_18": ({}, partial(T.imagenet, block=T.v2_basic, counts=RESNET18, preact=True), 33),
    "resnetv2_50": ({}, partial(T.imagenet, block=T.v2_bottleneck, counts=RESNET50, preact=True), 33),
    "resnext50_4x2d": ({}, partial(T.imagenet, block=T.v1_bottleneck, counts=RESNET50, groups=4), 33),
    "wide_resnet50_2": ({}, partial(T.imagenet, block=T.v1_bottleneck, counts=RESNET50), 33),
    "seresnet18": ({}, partial(T.imagenet, block=T.v1_basic, counts=RESNET18, se=True), 33),
    "seresnet50": ({}, partial(T.imagenet, block=T.v1_bottleneck, counts=RESNET50, se=True), 33),
    "resnet11": ({}, partial(T.small, block=T.v1_bottleneck, n=1), 12),
    "resnet20 bottleneck": (
        {"bottleneck": True, "stride_on": "1x1", "shortcut": "B"},
        partial(T.small, block=T.v1_bottleneck, n=2, on_1x1=True),
        12,
    ),
    "preact_resnet11": ({}, partial(T.small, block=T.v2_bottleneck, n=1, preact=True, on_1x1=True), 12),
    "preact_resnet29": ({}, partial(T.small, block=T.v2_bottleneck, n=3, preact=True, on_1x1=True), 12),
    "wrn_16_2": ({}, partial(T.small, block=T.v2_basic, n=2, preact=True), 12),
    "wrn_10_1": ({}, partial(T.small, block=T.v2_basic, n=1, preact=True), 12),
    "resnext11_4x8d": ({}, partial(T.small, block=T.v1_bottleneck, n=1, groups=4), 12),
    "resnext11_3x8d sum": ({"form": "sum"}, partial(T.small, block=T.resnext_paths, n=1), 12),
    "seresnet14": ({}, partial(T.small, block=T.v1_basic, n=2, se=True), 12),
    "seresnet14 biased": ({"bias": True, "shortcut": "B"}, partial(T.small, block=T.v1_basic, n=2, se=True), 12),
}
LARGE = ("resnet18 A", "resnet18 C", "resnet50", "resnet50 1x1", "resnetv2_50", "wide_resnet50_2", "seresnet50")


def runs():
    """Every network in training and evaluation; the large ones are slow."""
    for name, (_, function, _) in NETS.items():
        for train in (True, False):
            slow = name in LARGE or (function.func is T.imagenet and not train)
            mode = "train" if train else "eval"
            yield pytest.param(name, train, id=f"{name} {mode}", marks=[pytest.mark.slow] if slow else [])


def network(name, options):
    """A float64 network whose vectors (gamma, beta, running statistics, bias) are far from 0 and 1.

    Weights of squeeze-and-excitation are positive: its one hidden unit would be dead otherwise, and compare nothing.
    """
    model = build(name.split()[0], num_classes=5, in_channels=2, rng=0, **options).to(dtype=np.float64)
    rng = np.random.default_rng(1)
    for path, tensor in model.tensors():
        if tensor.data.ndim == 1:
            tensor.data = rng.uniform(0.5, 1.5, tensor.data.shape)
        elif ".gate." in path:
            tensor.data = np.abs(tensor.data) / tensor.data[0].size  # small enough not to saturate the sigmoid
    return model


@pytest.mark.parametrize(("name", "train"), list(runs()))
def test_as_pytorch(name, train):
    options, function, size = NETS[name]
    model = network(name, options)
    rng = np.random.default_rng(2)
    x = rng.normal(size=(3, 2, size, size))
    dy = upstream(model, x, rng, train)
    expected = T.torch_answer(model, function, x, dy, train)
    found = run(model, x, dy, train)
    assert found.keys() == expected.keys()
    for what, value in expected.items():
        assert found[what].shape == value.shape
        error = np.linalg.norm(found[what] - value) / np.linalg.norm(value)  # none is zero: every ReLU is alive
        assert error <= 1e-9, f"{what} is off by {error:.1e}"


def test_the_comparison_sees_a_stride_that_stands_elsewhere():
    model = network("resnet11", {"stride_on": "1x1"})
    x = np.random.default_rng(2).normal(size=(3, 2, 12, 12))
    y = model.forward(x, train=True)[0]
    found = T.torch_answer(model, NETS["resnet11"][1], x, np.ones_like(y), True)
    assert not np.allclose(found["y"], y, rtol=1e-3)
