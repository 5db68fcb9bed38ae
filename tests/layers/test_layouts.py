"""How an array lies in memory changes no result, and no array is written to."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import assert_same, run, upstream
from strategies import LAYERS, seeds

each = pytest.mark.parametrize("name", LAYERS)


def reversed_axes(a):
    flip = (slice(None, None, -1),) * a.ndim
    return a[flip].copy()[flip]


def every_second(a):
    wide = np.full([2 * n for n in a.shape], np.nan)
    view = wide[(slice(None, None, 2),) * a.ndim]
    view[...] = a
    return view


def read_only(a):
    a = a.copy()
    a.flags.writeable = False
    return a


LAYOUTS = {
    "negative strides": reversed_axes,
    "every second entry": every_second,
    "Fortran order": np.asfortranarray,
    "other byte order": lambda a: a.astype(a.dtype.newbyteorder()),
    "read-only": read_only,
}


def seen(array):
    return array.tobytes(), array.strides, array.dtype, array.flags.writeable


@pytest.mark.parametrize("layout", LAYOUTS)
@each
@given(st.data(), st.booleans(), seeds)
@settings(max_examples=8)
def test_layout_of_x_and_dy_does_not_matter(name, layout, data, train, seed):
    layer, x = data.draw(LAYERS[name])
    dy = np.asarray(upstream(layer, x, np.random.default_rng(seed), train))
    expected = rerun(layer, x, dy, train)
    other_x, other_dy = LAYOUTS[layout](x), LAYOUTS[layout](dy) if dy.ndim else dy
    before = seen(other_x), seen(other_dy)
    found = rerun(layer, other_x, other_dy, train)
    assert (seen(other_x), seen(other_dy)) == before
    assert all(array.dtype == x.dtype and array.dtype.isnative for array in (found["y"], found["dx"]))
    assert_same(found, expected)


@each
@given(st.data(), st.booleans(), st.floats(-2, 2))
@settings(max_examples=8)
def test_a_broadcast_array_is_as_good_as_its_copy(name, data, train, value):
    layer, x = data.draw(LAYERS[name])
    x = np.broadcast_to(x[:1], x.shape)
    dy = np.broadcast_to(np.float64(value), np.shape(upstream(layer, x, np.random.default_rng(0), train)))
    assert_same(rerun(layer, x, dy, train), rerun(layer, x.copy(), dy.copy(), train))


def rerun(layer, x, dy, train):
    """Like :func:`oracles.run`, but the layer has its buffers and random state back afterwards, the answer copies."""
    buffers = [(tensor, tensor.data.copy()) for _, tensor in layer.tensors()]
    states = [(rng, rng.bit_generator.state) for _, rng in layer.generators()]
    answer = {name: np.array(array) for name, array in run(layer, x, dy, train).items()}
    for tensor, data in buffers:
        tensor.data = data
    for rng, state in states:
        rng.bit_generator.state = state
    return answer
