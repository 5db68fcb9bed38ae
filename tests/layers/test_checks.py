"""What layers ask of settings and arrays, where no layer of minires shows it; messages: ``tests/test_errors.py``."""

import numpy as np
import pytest

from minires.errors import DTypeError, RangeError, ShapeError
from minires.layers import ReLU
from minires.layers.checks import MOST, as_floats, as_input, border, plain, positive

LAYER = ReLU()
VALUES = np.random.default_rng(0).normal(size=(2, 3))


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
@pytest.mark.parametrize("order", "<>=")
def test_any_byte_order_becomes_the_native_one_with_the_same_numbers(dtype, order):
    x = VALUES.astype(np.dtype(dtype).newbyteorder(order))
    found = as_floats(x)
    assert found.dtype == np.dtype(dtype) and found.dtype.isnative and np.array_equal(found, VALUES.astype(dtype))
    assert (found is x) == x.dtype.isnative


def test_subclasses_become_plain_arrays_and_masked_ones_are_refused():
    for make in (plain, as_floats):
        found = make(VALUES.view(np.matrix), "dy")
        assert type(found) is np.ndarray and np.array_equal(found, VALUES)
        assert make(VALUES, "dy") is VALUES
        with pytest.raises(
            DTypeError, match="^Mine: dy is a masked array, whose masked entries have no value: dy.fill"
        ):
            make(np.ma.array(VALUES, mask=VALUES > 0), "dy", layer="Mine")


def test_what_only_looks_like_an_array():
    class Typed:
        dtype = np.dtype("float32")

    for thing in (Typed(), 1.0, [1.0]):
        with pytest.raises(DTypeError, match=f"^input is a {type(thing).__name__}, expected a NumPy or CuPy array"):
            as_floats(thing)


@pytest.mark.parametrize(("real", "imaginary"), [("float32", "complex64"), ("float64", "complex128")])
def test_a_complex_step_fits_the_parameters_of_its_precision_alone(real, imaginary):
    x, weight = VALUES.astype(imaginary), VALUES.astype(real)
    assert as_input(LAYER, x, like=weight) is x
    other = {"float32": "float64", "float64": "float32"}[real]
    with pytest.raises(DTypeError, match=rf"ReLU: input is {imaginary}, the layer {other}: input.astype\(np.{other}\)"):
        as_input(LAYER, x, like=weight.astype(other))


def test_a_batch_axis_is_asked_for_where_it_is_missing_and_nowhere_else():
    with pytest.raises(
        ShapeError, match=r"expected 4 \(N, C, H, W\): reshape it; one image needs a batch axis: x.None"
    ):
        as_input(LAYER, np.ones((3, 4, 5)), "NCHW")
    for shape, axes in (((3, 4, 5), "ND"), ((4, 5), "NCHW"), ((3,), "ND")):
        with pytest.raises(ShapeError, match=r": reshape it$"):
            as_input(LAYER, np.ones(shape), axes)


def test_an_axis_without_a_name_is_called_by_its_letter():
    with pytest.raises(ShapeError, match=r"input has 3 K \(axis 1 of \(2, 3\)\), the layer expects 4"):
        as_input(LAYER, VALUES, "NK", K=4)
    assert as_input(LAYER, VALUES, "NK", K=3) is VALUES


def test_sizes_are_bounded():
    assert positive(LAYER, channels=MOST) == MOST == 67_108_864
    with pytest.raises(RangeError, match="^ReLU: channels is 67108865, expected at most 67,108,864"):
        positive(LAYER, channels=MOST + 1)


@pytest.mark.parametrize(
    ("padding", "expected"),
    [
        (2, (2, 2)),
        ([0, 1], (0, 1)),
        (((1, 1), (2, 3)), (1, (2, 3))),
        ([[0, 1], 2], ((0, 1), 2)),
        (((1, 0), 0), ((1, 0), 0)),
    ],
)
def test_a_border_is_a_number_where_its_two_sides_are_alike(padding, expected):
    assert border(LAYER, padding) == expected
