"""Sums of terms with affine maps, subsampled ones, padded ones, and a ReLU: in one pass, against the layers."""

import numpy as np
import pytest
from engine.equality import assert_as_definition, entered
from oracles import randomise

from minires import layers as L


def norm():
    return L.BatchNorm2d(4)


SUMS = {
    "norm": lambda: norm(),
    "norm + x": lambda: L.Residual(norm()),
    "norm + norm": lambda: L.Residual(norm(), norm()),
    "x + x": lambda: L.Residual(L.Identity(), L.Identity()),
    "three terms": lambda: L.Residual(norm(), L.Residual(norm(), norm())),
    "four terms": lambda: L.Residual(L.Residual(norm()), L.Residual(norm(), L.Identity())),
    "bias + x": lambda: L.Residual(L.Conv2d(4, 4, 1, bias=True, rng=0)),
    "subsampled + subsampled": lambda: L.Residual(L.Subsample(2), L.Subsample(2)),
    "padded + norm": lambda: L.Residual(
        L.Sequential(L.Conv2d(4, 7, 3, padding=1, stride=2, rng=0), L.BatchNorm2d(7)),
        L.Sequential(L.Subsample(2), L.PadChannels(1, 2)),
    ),
    "padded before and behind": lambda: L.Residual(L.PadChannels(3, 0), L.PadChannels(0, 3)),
    "relu within": lambda: L.Residual(L.Sequential(norm(), L.ReLU()), L.Sequential(norm(), L.ReLU())),
}


@pytest.mark.parametrize("train", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("relu", [True, False], ids=["relu", "no relu"])
@pytest.mark.parametrize("name", SUMS)
def test_equals_the_layers(name, relu, train):
    rng = np.random.default_rng(0)
    model = randomise(entered(4, SUMS[name](), *([L.ReLU()] if relu else [])), rng)
    assert_as_definition(model, rng.normal(size=(5, 4, 7, 6)), train, 1e-11, whole=False)
    assert_as_definition(model, rng.normal(size=(33, 4, 1, 1)), train, 1e-11, whole=False)


def test_kinks_and_negative_zeros():
    """Where the sum is exactly 0 the ReLU is closed."""
    x = np.array([-0.0, 0.0, 1.0, -1.0]).repeat(8).reshape(2, 4, 2, 2)
    assert_as_definition(entered(4, L.ReLU()), x, True, 1e-14, whole=False)
    assert_as_definition(entered(4, L.Residual(L.Scale(-1.0)), L.ReLU()), x, True, 1e-14, whole=False)


def test_rows_of_several_blocks():
    rng = np.random.default_rng(0)
    model = randomise(entered(4, L.Residual(norm(), norm()), L.ReLU()), rng)
    assert_as_definition(model, rng.normal(size=(40, 4, 30, 33)), True, 1e-11, whole=False)
