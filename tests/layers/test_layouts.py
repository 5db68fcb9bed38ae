"""How an array lies in memory changes no result, and no array is written to."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import assert_same, run, upstream
from strategies import LAYERS, seeds

import minires
from minires.cases import CASES, case
from minires.errors import DTypeError
from minires.layers import Param
from minires.losses import MeanSquaredError, SoftmaxCrossEntropy

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


FLAT = [name for name, (_, shape) in CASES.items() if len(shape) == 2]


@pytest.mark.parametrize("compiled", [False, True], ids=["definition", "compiled"])
@pytest.mark.parametrize("train", [False, True], ids=["eval", "train"])
@pytest.mark.parametrize("name", FLAT)
def test_a_matrix_counts_as_the_plain_array(name, train, compiled, tmp_path):
    """``*`` of two matrices is another product."""
    make, x = case(name, 0)
    make = (lambda make=make: minires.compile(make())) if compiled else make
    dy = np.asarray(upstream(make().to(dtype=np.float64), x, np.random.default_rng(1), train))
    expected = run(make().to(dtype=np.float64), x, dy, train)
    mapped = np.memmap(tmp_path / "x", x.dtype, "w+", shape=x.shape)
    mapped[...] = x
    for other in (x.view(np.matrix), mapped):
        found = run(make().to(dtype=np.float64), other, dy.view(np.matrix) if dy.ndim == 2 else dy, train)
        assert {type(array) for array in found.values()} <= {np.ndarray, np.float64}
        assert_same(found, expected, 0)


@pytest.mark.parametrize("compiled", [False, True], ids=["definition", "compiled"])
@pytest.mark.parametrize("name", CASES)
def test_a_masked_array_is_refused(name, compiled):
    """A masked entry has no value, and NumPy would skip it in every sum."""
    make, x = case(name, 0)
    layer = make().to(dtype=np.float64)
    layer = minires.compile(layer) if compiled else layer
    y, cache = layer.forward(x, train=True)
    before = [tensor.data.tobytes() for _, tensor in layer.tensors()]
    dy = np.ma.masked_less(np.random.default_rng(1).normal(size=np.shape(y)), 0)
    with pytest.raises(DTypeError, match="is a masked array, .*filled"):
        layer.forward(np.ma.masked_less(x, 0), train=True)
    with pytest.raises(DTypeError, match="is a masked array, .*filled"):
        layer(np.ma.masked_less(x, 0))
    with pytest.raises(DTypeError, match="is a masked array, .*filled"):
        layer.backward(dy, cache)
    assert [tensor.data.tobytes() for _, tensor in layer.tensors()] == before


def test_parameters_targets_and_labels_are_plain_too():
    param = Param(np.ones((1, 1)).view(np.matrix))
    assert type(param.data) is type(param.grad) is np.ndarray
    x, other = np.random.default_rng(0).normal(size=(2, 4, 4))
    assert MeanSquaredError().forward(x.view(np.matrix), other.view(np.matrix))[0] == np.mean((x - other) ** 2)
    loss, targets = SoftmaxCrossEntropy(weight=[1, 2, 3, 4]), abs(other)
    assert loss.forward(x, targets.view(np.matrix))[0] == loss.forward(x, targets)[0]
    for call in (
        lambda: Param(np.ma.masked_less(x, 0)),
        lambda: MeanSquaredError().forward(x, np.ma.masked_less(other, 0)),
        lambda: loss.forward(x, np.ma.masked_equal([0, 1, 2, 3], 2)),
        lambda: loss.forward(x, np.ma.masked_less(targets, 0.1)),
    ):
        with pytest.raises(DTypeError, match="is a masked array|are a masked array"):
            call()


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
