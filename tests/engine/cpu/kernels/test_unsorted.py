"""Where im2col in the order of the weight is chosen; what it computes is tested with im2col."""

import pytest
from engine.one_kernel import geometry

from minires.engine.cpu.kernels import Im2col, Unsorted, choose
from minires.layers import Conv2d


@pytest.mark.parametrize(("images", "kind"), [(1, Unsorted), (64, Im2col)])
def test_few_pixels_for_many_filters(images, kind):
    layer = Conv2d(256, 512, 3, stride=2, padding=1, rng=0)
    assert choose(geometry(layer, (14, 14)), images) is kind
