"""Pooling in chunks against the layers."""

import numpy as np
import pytest
from engine.equality import assert_as_definition, entered
from hypothesis import given, settings
from strategies import avg_pool2d, max_pool2d, seeds

from minires.layers import AvgPool2d, GlobalAvgPool2d, MaxPool2d


@pytest.mark.parametrize("kind", [max_pool2d(), avg_pool2d()], ids=["max", "mean"])
def test_equals_the_layer(kind):
    """Kernel, stride, padding, rounding up, ties."""

    @given(kind, seeds)
    @settings(max_examples=60)
    def holds(case, seed):
        layer, x = case
        assert_as_definition(entered(x.shape[1], layer), x, True, 1e-12, whole=False)

    holds()


@pytest.mark.parametrize(
    "layer",
    [
        MaxPool2d(3, stride=2, padding=1),
        MaxPool2d(2),
        AvgPool2d(3, stride=2, padding=1),
        AvgPool2d(2),
        MaxPool2d(3, stride=2, ceil_mode=True),
        AvgPool2d(3, stride=2, ceil_mode=True, count_include_pad=False),
        MaxPool2d((1, 3), stride=(3, 1)),
        GlobalAvgPool2d(),
    ],
)
def test_images_of_several_blocks_of_rows(layer):
    x = np.round(np.random.default_rng(0).normal(size=(9, 40, 33, 30)))
    assert_as_definition(entered(x.shape[1], layer), x, True, 1e-12, whole=False)
