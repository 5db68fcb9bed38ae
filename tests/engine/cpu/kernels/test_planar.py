"""Convolution of few channels by planes, against the layer."""

import numpy as np
import pytest
from engine.one_kernel import assert_as_definition, chunkings, convolutions, geometry
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import seeds

from minires.engine.cpu.kernels import Planar
from minires.layers import Conv2d

FEW = convolutions(
    Planar.fits,
    kernel=st.integers(1, 7),
    stride=st.integers(1, 3),
    padding=st.integers(0, 3),
    channels=st.integers(1, 4),
)


@given(FEW, chunkings, seeds, st.integers(0, 2))
@settings(max_examples=60)
def test_equals_the_definition(case, chunks, seed, room):
    assert_as_definition(Planar, case, chunks, seed, room)


@pytest.mark.parametrize("size", [(28, 28), (30, 33), (7, 5)])
def test_stem_of_large_images(size, monkeypatch):
    monkeypatch.setattr("minires.engine.cpu.constants.WORK", 2_000)
    layer = Conv2d(3, 8, 7, stride=2, padding=3, rng=0)
    assert len(Planar(geometry(layer, size), 2, np.dtype(np.float64)).blocks) > 1
    assert_as_definition(Planar, (layer, size), (2, 1), 0)


@pytest.mark.parametrize(("channels", "settings"), [(5, {}), (2, {"groups": 2}), (3, {"dilation": 2})])
def test_what_does_not_fit(channels, settings):
    assert not Planar.fits(geometry(Conv2d(channels, 4, 3, rng=0, **settings), (9, 9)))
