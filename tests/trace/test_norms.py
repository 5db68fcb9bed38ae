"""What counts as the same, and as equal but for rounding."""

import numpy as np
import pytest

from minires.trace.norms import agrees, same

A = np.random.default_rng(0).standard_normal((3, 4))


@pytest.mark.parametrize(("dtype", "near", "far"), [(np.float32, 1e-6, 1e-4), (np.float64, 1e-13, 1e-11)])
def test_the_bound_of_rounding(dtype, near, far):
    a = A.astype(dtype)
    assert agrees(a * dtype(1 + near), a) and not agrees(a * dtype(1 + far), a)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_stands_in_the_same_places(value):
    one, other = A.copy(), A.copy()
    one[1, 2] = value
    other[2, 1] = value
    assert agrees(one, one)
    assert not agrees(one, A) and not agrees(A, one) and not agrees(one, other)


def test_shapes_count():
    assert not agrees(np.ones((1, 3)), np.ones((2, 3))) and not same(np.ones((1, 3)), np.ones((2, 3)))
    assert same(A, A.copy()) and not same(A, np.nextafter(A, np.inf))
