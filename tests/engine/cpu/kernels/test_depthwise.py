"""One filter for each channel, against the layer."""

import numpy as np
import pytest
from engine.one_kernel import assert_as_definition, chunkings, convolutions, geometry
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import seeds

from minires.engine.cpu.kernels import Depthwise
from minires.layers import Conv2d

DEPTHWISE = convolutions(
    Depthwise.fits,
    kernel=st.integers(1, 5),
    stride=st.integers(1, 3),
    padding=st.integers(0, 3),
    dilation=st.integers(1, 2),
    channels=st.integers(2, 6),
    depthwise=True,
)


@given(DEPTHWISE, chunkings, seeds, st.integers(0, 2))
@settings(max_examples=60)
def test_equals_the_definition(case, chunks, seed, room):
    assert_as_definition(Depthwise, case, chunks, seed, room=room)


def test_images_of_several_blocks_of_rows():
    layer = Conv2d(64, 64, 3, padding=1, groups=64, rng=0)
    assert len(Depthwise(geometry(layer, (33, 30)), 5, np.dtype(np.float64)).blocks) > 1
    assert_as_definition(Depthwise, (layer, (33, 30)), (5,), 0)


@pytest.mark.parametrize(("out", "groups"), [(4, 2), (8, 4), (4, 1)])
def test_what_does_not_fit(out, groups):
    assert not Depthwise.fits(geometry(Conv2d(4, out, 3, groups=groups, rng=0), (9, 9)))
