"""Array functions: windows and their transposes, softmax and sigmoid at the ends of the number line."""

import math

import numpy as np
import pytest
from conftest import to_xp
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import assert_close

from minires.backend import to_numpy
from minires.errors import ShapeError
from minires.ops import (
    col2im,
    crop,
    gated,
    im2col,
    log_softmax,
    normal_cdf,
    one_hot,
    out_sizes,
    pad_images,
    sides,
    sigmoid,
    softmax,
    windows,
)

seeds = st.integers(0, 2**32 - 1)
pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))


@st.composite
def window_settings(draw):
    """(shape of the padded x, kernel, stride, dilation, out)."""
    kernel, stride, dilation = draw(pairs), draw(pairs), draw(pairs)
    size = tuple(d * (k - 1) + 1 + draw(st.integers(0, 4)) for k, d in zip(kernel, dilation))
    out = out_sizes(size, kernel, stride, (0, 0), dilation)
    return (draw(st.integers(1, 2)), draw(st.integers(1, 3)), *size), kernel, stride, dilation, out


@given(window_settings(), seeds)
@settings(max_examples=200)
def test_col2im_is_the_transpose_of_im2col(case, seed):
    shape, *geometry = case
    rng = np.random.default_rng(seed)
    x = rng.normal(size=shape)
    col = im2col(x, *geometry)
    c = rng.normal(size=col.shape)
    back = col2im(c, shape, *geometry)
    assert back.shape == shape
    assert abs(np.vdot(x, back) - np.vdot(col, c)) <= 1e-14 * np.linalg.norm(col) * np.linalg.norm(c)


@given(window_settings())
@settings(max_examples=100)
def test_im2col_takes_each_entry_from_its_place(case):
    shape, kernel, stride, dilation, out = case
    x = np.arange(math.prod(shape), dtype=float).reshape(shape)
    col = im2col(x, kernel, stride, dilation, out).reshape(shape[1], *kernel, shape[0], *out)
    for c, i, j, n, r, s in np.ndindex(col.shape):
        assert col[c, i, j, n, r, s] == x[n, c, r * stride[0] + i * dilation[0], s * stride[1] + j * dilation[1]]


def test_col2im_of_ones_counts_the_windows_over_each_pixel():
    counts = col2im(np.ones((4, 4)), (1, 1, 3, 3), (2, 2), (1, 1), (1, 1), (2, 2))
    assert counts[0, 0].tolist() == [[1, 2, 1], [2, 4, 2], [1, 2, 1]]


def test_windows_are_views():
    x = np.zeros((1, 1, 4, 4))
    for i, j, view in windows(x, (2, 2), (2, 2), (1, 1), (2, 2)):
        view += 2 * i + j
    assert x[0, 0].tolist() == [[0, 1, 0, 1], [2, 3, 2, 3], [0, 1, 0, 1], [2, 3, 2, 3]]


@given(st.integers(1, 9), st.integers(1, 4), st.integers(1, 4), st.integers(0, 3), st.integers(1, 3))
@settings(max_examples=200)
def test_out_sizes_count_the_places_of_a_window(n, k, s, p, d):
    places = [top for top in range(-p, n + p, s) if top + d * (k - 1) < n + p]
    if places:
        assert out_sizes((n, n), (k, k), (s, s), (p, p), (d, d)) == (len(places), len(places))
    else:
        with pytest.raises(ShapeError, match=f"covers {d * (k - 1) + 1} pixels along H, the input has {n} "):
            out_sizes((n, n), (k, k), (s, s), (p, p), (d, d))


@given(st.integers(0, 2), st.integers(0, 2))
def test_crop_undoes_pad(ph, pw):
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 5))
    padded = pad_images(x, (ph, pw), value=7.0)
    assert padded.shape == (2, 3, 4 + 2 * ph, 5 + 2 * pw)
    assert np.array_equal(crop(padded, (ph, pw), (4, 5)), x)
    assert np.count_nonzero(padded == 7.0) == padded.size - x.size
    assert (padded is x) == (ph == pw == 0)


def test_crop_undoes_a_border_of_two_sides():
    x, padding = np.random.default_rng(0).normal(size=(2, 3, 4, 5)), ((0, 2), 1)
    padded = pad_images(x, padding, value=7.0)
    assert padded.shape == (2, 3, 6, 7) and sides(padding) == ((0, 2), (1, 1))
    assert np.array_equal(padded[:, :, :4, 1:6], x) and np.array_equal(crop(padded, padding, (4, 5)), x)
    assert out_sizes((4, 5), (3, 3), (1, 2), padding) == (4, 3)


@pytest.mark.parametrize("value", [1.5, -2.0, np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gated_lets_nothing_through_where_it_is_closed(value, dtype, xp):
    a, is_open = np.array([value, value, 3], dtype), np.array([True, False, False])
    found = to_numpy(gated(to_xp(xp, a), to_xp(xp, is_open)))
    assert found.dtype == dtype and found[0].tobytes() == a[0].tobytes() and not found[1:].any()


X = np.concatenate([np.linspace(-37, 37, 7401), [0.0, -0.0, 1e-8, -1e-8, 1e-300, 5.999, 6.001, 1e30, -1e30, np.inf]])


def test_normal_cdf_keeps_its_digits(xp):
    """Far below too, where (1 + erf) / 2 has none left."""
    found = to_numpy(normal_cdf(to_xp(xp, X)))
    np.testing.assert_allclose(found, [math.erfc(-v / math.sqrt(2)) / 2 for v in X], rtol=1e-12)
    assert_close(to_numpy(normal_cdf(to_xp(xp, X.astype(np.float32)))), found.astype(np.float32), 3e-7)


def test_normal_cdf_carries_a_complex_step():
    x = np.linspace(-8, 8, 1601)
    density = [math.exp(-v * v / 2) / math.sqrt(2 * math.pi) for v in x]
    np.testing.assert_allclose(normal_cdf(x + 1e-30j).imag / 1e-30, density, rtol=1e-13)


def test_sigmoid_and_softmax_at_the_ends(xp):
    x = to_xp(xp, np.array([-1e4, -1.0, 0.0, 1.0, 1e4]))
    e = math.exp(-1)
    assert_close(to_numpy(sigmoid(x)), np.array([0, e / (1 + e), 0.5, 1 / (1 + e), 1]), 1e-15)
    z = to_xp(xp, np.array([[1e4, -1e4], [-1e4, -1e4], [1e4, 1e4]]))
    assert_close(to_numpy(softmax(z)), np.array([[1, 0], [0.5, 0.5], [0.5, 0.5]]), 1e-15)
    assert_close(to_numpy(log_softmax(z))[0], np.array([0, -2e4]), 1e-15)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
def test_softmax_adds_up_to_one_and_keeps_the_dtype(dtype):
    logits = np.random.default_rng(0).normal(scale=10, size=(5, 7)).astype(dtype)
    p = softmax(logits)
    assert p.dtype == dtype
    assert_close(p.sum(axis=-1), np.ones(5), 1e-6 if dtype == np.float32 else 1e-14)
    assert_close(np.exp(log_softmax(logits)), p, 1e-6)


@given(st.floats(-700, 700))
def test_sigmoid_of_the_negative_is_the_complement(x):
    a, b = sigmoid(np.array([x, -x]))
    assert a + b == pytest.approx(1, abs=1e-15)


def test_one_hot(xp):
    q = one_hot(to_xp(xp, np.array([2, 0])), 3, np.float32)
    assert to_numpy(q).tolist() == [[0, 0, 1], [1, 0, 0]] and q.dtype == np.float32
