"""A layer without a row in the table of cases does not exist."""

import inspect

import numpy as np
import pytest

from minires import layers, losses
from minires.cases import CASES, case

NO_LAYERS = {"Buffer", "Fork", "Layer", "Param", "observe", "replace"}
LOSSES = {"MeanSquaredError", "SoftmaxCrossEntropy"}


def test_every_public_layer_and_loss_has_a_row():
    """Rows are named "Conv2d" or "Conv2d grouped": the class, and what is special."""
    assert {name.split()[0] for name in CASES} == set(layers.__all__) - NO_LAYERS | LOSSES


def test_every_loss_of_the_module_has_a_row():
    def is_loss(thing):
        own = inspect.isclass(thing) and thing.__module__ == losses.__name__ and thing is not losses.Loss
        return own and not issubclass(thing, layers.Layer)

    assert {name for name, _ in inspect.getmembers(losses, is_loss)} == LOSSES


@pytest.mark.parametrize("name", CASES)
def test_a_row_makes_the_layer_of_its_name(name):
    make, x = case(name, 0)
    layer = make()
    kind = name.split()[0]
    assert type(layer.loss if kind in LOSSES else layer).__name__ == kind
    y, _ = layer.to(dtype=np.float64).forward(x, train=True)
    assert np.isfinite(y).all()


@pytest.mark.parametrize("name", CASES)
def test_the_seed_decides_everything(name):
    def numbers(seed):
        make, x = case(name, seed)
        first, second = make(), make()
        assert first is not second
        for (_, a), (_, b) in zip(first.tensors(), second.tensors(), strict=True):
            assert np.array_equal(a.data, b.data)
        return x

    assert np.array_equal(numbers(1), numbers(1))
    assert not np.array_equal(numbers(1), numbers(2))
