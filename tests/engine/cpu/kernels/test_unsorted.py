"""im2col in the order of the weight, against the layer, and where it is chosen."""

import numpy as np
import pytest
from engine.one_kernel import assert_as_definition, chunkings, convolutions, geometry
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import seeds

from minires.engine.cpu.kernels import Im2col, Unsorted, choose
from minires.layers import Conv2d

ANY = convolutions(
    Unsorted.fits,
    kernel=st.integers(1, 5),
    stride=st.integers(1, 3),
    padding=st.integers(0, 3),
    dilation=st.integers(1, 2),
    groups=st.integers(1, 3),
    channels=st.integers(1, 4),
)


@given(ANY, chunkings, seeds, st.integers(1, 3), st.integers(0, 2))
@settings(max_examples=60)
def test_equals_the_definition(case, chunks, seed, parts, room):
    assert_as_definition(Unsorted, case, chunks, seed, parts, room)


def test_images_of_several_blocks_of_rows(monkeypatch):
    monkeypatch.setattr("minires.engine.cpu.constants.WORK", 250_000)
    layer = Conv2d(24, 8, 5, padding=2, rng=0)
    assert len(Unsorted(geometry(layer, (33, 30)), 3, np.dtype(np.float64)).blocks) > 2
    assert_as_definition(Unsorted, (layer, (33, 30)), (3,), 0)


@pytest.mark.parametrize(("images", "kind"), [(1, Unsorted), (64, Im2col)])
def test_few_pixels_for_many_filters(images, kind):
    layer = Conv2d(256, 512, 3, stride=2, padding=1, rng=0)
    assert choose(geometry(layer, (14, 14)), images) is kind
