"""1x1 convolution by one product, against the layer."""

import numpy as np
import pytest
from engine.one_kernel import assert_as_definition, chunkings, convolutions, geometry
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import seeds

from minires.engine.cpu.kernels import Pointwise
from minires.layers import Conv2d

ONE = convolutions(Pointwise.fits, kernel=st.just(1), stride=st.integers(1, 3), padding=st.just(0))


@given(ONE, chunkings, seeds, st.integers(0, 2))
@settings(max_examples=60)
def test_equals_the_definition(case, chunks, seed, room):
    """``room`` puts a border between the rows, so that they are no longer one matrix."""
    assert_as_definition(Pointwise, case, chunks, seed, room)


@pytest.mark.parametrize("stride", [1, 2])
def test_images_of_several_blocks_of_rows(stride, monkeypatch):
    monkeypatch.setattr("minires.engine.cpu.constants.WORK", 50_000)
    layer = Conv2d(64, 40, 1, stride=stride, rng=0)
    assert len(Pointwise(geometry(layer, (33, 30)), 5, np.dtype(np.float64)).blocks) > 1
    assert_as_definition(Pointwise, (layer, (33, 30)), (5,), 0)


@pytest.mark.parametrize("settings", [{"kernel": (1, 3)}, {"padding": 1}, {"groups": 2}])
def test_what_does_not_fit(settings):
    assert not Pointwise.fits(geometry(Conv2d(4, 4, **{"kernel": 1, "rng": 0, **settings}), (9, 9)))
