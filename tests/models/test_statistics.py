"""Frozen statistics, and networks of one channel made from three."""

import numpy as np
import pytest

from minires.engine import compile
from minires.errors import RangeError
from minires.gradcheck import gradcheck
from minires.layers import BatchNorm2d, Linear, Sequential
from minires.models import build
from minires.models.transfer import adapt_stem, freeze_but

X = np.random.default_rng(0).normal(size=(4, 3, 8, 8))
DY = np.random.default_rng(1).normal(size=(4, 10))


def moved(model):
    """``model`` in float64 with statistics and affine maps that are not those of the start."""
    rng = np.random.default_rng(2)
    model.to(dtype=np.float64)
    for _, layer in model.walk():
        if isinstance(layer, BatchNorm2d):
            for t in (layer.gamma, layer.beta, layer.running_mean, layer.running_var):
                t.data = t.data + rng.uniform(0.1, 0.5, t.data.shape)
    return model


@pytest.mark.parametrize("engine", [lambda model: model, compile], ids=["reference", "compiled"])
def test_frozen_statistics_train_as_they_evaluate_and_stay(engine):
    model = moved(build("resnet8", rng=0))
    run = engine(model)
    run.forward(X, train=True)  # a plan of before
    freeze_but(model, statistics=True)
    before = {path: t.data.copy() for path, t in model.tensors()}
    y, cache = run.forward(X, train=True)
    expected, other = model.forward(X, train=False)
    np.testing.assert_allclose(y, expected, rtol=1e-9)
    np.testing.assert_allclose(run.backward(DY, cache), model.backward(DY, other), rtol=1e-7, atol=1e-12)
    assert all((t.data == before[path]).all() for path, t in model.tensors())
    model.freeze(False, statistics=True)
    run.forward(X, train=True)
    assert any((t.data != before[path]).any() for path, t in model.tensors())


def test_constant_statistics():
    """Forward by the batch, which moves the running ones; dx as if mean and variance did not depend on x."""
    layer, twin = (moved(BatchNorm2d(3)) for _ in range(2))
    layer.statistics = "constant"
    dy = np.random.default_rng(3).normal(size=X.shape)
    y, cache = layer.forward(X, train=True)
    assert (y == twin.forward(X, train=True)[0]).all()
    assert (layer.running_mean.data == twin.running_mean.data).all()
    std = np.sqrt(X.var(axis=(0, 2, 3)) + layer.eps)[:, None, None]
    np.testing.assert_allclose(layer.backward(dy, cache), layer.gamma.data[:, None, None] * dy / std, rtol=1e-9)


def test_the_gradient_of_frozen_statistics_is_right():
    gradcheck(moved(BatchNorm2d(3)).freeze(statistics=True).freeze(False), X, train=True)  # raises otherwise


def test_statistics_that_are_none():
    layer = BatchNorm2d(3)
    layer.statistics = "mine"
    with pytest.raises(RangeError, match="statistics is 'mine', expected batch, running, constant"):
        layer.forward(X.astype(np.float32), train=True)


@pytest.mark.parametrize("name", ["resnet8", "resnet18", "densenet_10_4", "nin_cifar", "highway8"])
def test_one_channel_from_three(name):
    model = moved(build(name, num_classes=10, rng=0))
    grey = adapt_stem(model)
    assert next(iter(grey.params()))[1].data.shape[1] == 1
    np.testing.assert_allclose(grey(X[:, :1]), model(np.repeat(X[:, :1], 3, axis=1)), rtol=1e-9)
    assert len({id(p) for _, p in model.params()} - {id(p) for _, p in grey.params()}) <= 2


def test_without_a_convolution():
    with pytest.raises(RangeError, match="does not begin with a convolution"):
        adapt_stem(Sequential(Linear(3, 2, rng=0)))
