"""Any convolution by columns, sorted or in the order of the weight, against the layer."""

import numpy as np
import pytest
from engine.one_kernel import assert_as_definition, chunkings, convolutions, geometry
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import seeds

from minires.engine.cpu.kernels import Im2col, Unsorted
from minires.layers import Conv2d

BOTH = pytest.mark.parametrize("kind", [Im2col, Unsorted])
ANY = convolutions(
    Im2col.fits,
    kernel=st.integers(1, 5),
    stride=st.integers(1, 3),
    padding=st.integers(0, 3),
    dilation=st.integers(1, 2),
    groups=st.integers(1, 3),
    channels=st.integers(1, 4),
)


@BOTH
@given(ANY, chunkings, seeds, st.integers(0, 2))
@settings(max_examples=60)
def test_equals_the_definition(kind, case, chunks, seed, room):
    assert_as_definition(kind, case, chunks, seed, room)


@BOTH
@pytest.mark.parametrize("settings", [{"padding": 4}, {"stride": 4}, {"stride": (1, 3), "padding": (0, 2)}])
def test_windows_that_lie_in_the_border_alone_and_pixels_that_none_meets(kind, settings):
    layer = Conv2d(3, 4, (3, 2), rng=0, **settings)
    assert_as_definition(kind, (layer, (7, 5)), (2, 1), 0)


@BOTH
def test_images_of_several_blocks_of_rows(kind, monkeypatch):
    monkeypatch.setattr("minires.engine.cpu.constants.WORK", 250_000)
    layer = Conv2d(24, 8, 5, padding=2, rng=0)
    assert len(kind(geometry(layer, (33, 30)), 3, np.dtype(np.float64)).blocks) > 2
    assert_as_definition(kind, (layer, (33, 30)), (3,), 0)
