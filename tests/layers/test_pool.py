"""Pooling against naive loops and PyTorch, with ties, borders and NaN."""

import numpy as np
import pytest
from conftest import to_xp
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from oracles import assert_close, assert_same, run, upstream, torch_answers
from oracles import window_loops
from oracles.pytorch import F
from strategies import avg_pool2d, images, max_pool2d, seeds

import minires
from minires.backend import to_numpy
from minires.errors import ShapeError
from minires.layers import AdaptiveAvgPool2d, AvgPool2d, GlobalAvgPool2d, MaxPool2d, Sequential
from minires.ops import sides


def for_pytorch(layer, x, value):
    """(x, padding): what its pooling knows, or x inside its border, where the two sides of that are not alike."""
    (top, bottom), (left, right) = sides(layer.padding)
    if top == bottom and left == right:
        assume(2 * top <= layer.kernel[0] and 2 * left <= layer.kernel[1])  # it refuses wider borders
        return x, layer.padding
    assume(not layer.ceil_mode)  # its windows would begin in the border behind the image
    return F.pad(x, (left, right, top, bottom), value=value), 0


@given(max_pool2d(), seeds)
@settings(max_examples=200)
def test_max_pool_equals_the_naive_loops(case, seed):
    layer, x = case
    dy = upstream(layer, x, np.random.default_rng(seed))
    settings = layer.kernel, layer.stride, layer.padding, layer.ceil_mode, layer.dilation
    assert_same(run(layer, x, dy), window_loops.max_pool(x, dy, *settings))


@given(max_pool2d(), seeds)
@settings(max_examples=200)
def test_max_pool_equals_pytorch_also_where_values_tie(case, seed):
    layer, x = case
    dy = upstream(layer, x, np.random.default_rng(seed))

    def reference(x):
        x, padding = for_pytorch(layer, x, -np.inf)
        return F.max_pool2d(x, layer.kernel, layer.stride, padding, layer.dilation, layer.ceil_mode)

    assert_same(run(layer, x, dy), torch_answers.torch_run(reference, x, dy))


@given(avg_pool2d(), seeds)
@settings(max_examples=200)
def test_avg_pool_equals_the_naive_loops(case, seed):
    layer, x = case
    dy = upstream(layer, x, np.random.default_rng(seed))
    settings = layer.kernel, layer.stride, layer.padding, layer.count_include_pad, layer.ceil_mode
    expected = window_loops.avg_pool(x, dy, *settings)
    assert_same(run(layer, x, dy), expected)


@given(avg_pool2d(), seeds)
@settings(max_examples=200)
def test_avg_pool_equals_pytorch(case, seed):
    layer, x = case
    dy = upstream(layer, x, np.random.default_rng(seed))

    def reference(x):
        padded, padding = for_pytorch(layer, x, 0)
        settings = layer.kernel, layer.stride, padding, layer.ceil_mode
        if padding == 0 and not layer.count_include_pad:
            share, _ = for_pytorch(layer, torch_answers.torch.ones_like(x), 0)
            return F.avg_pool2d(padded, *settings) / F.avg_pool2d(share, *settings)
        return F.avg_pool2d(padded, *settings, layer.count_include_pad)

    assert_same(run(layer, x, dy), torch_answers.torch_run(reference, x, dy))


@given(images(lambda draw: GlobalAvgPool2d()), seeds)
@settings(max_examples=60)
def test_global_avg_pool_is_avg_pool_with_one_window(case, seed):
    layer, x = case
    dy = upstream(layer, x, np.random.default_rng(seed))
    size = x.shape[2:]
    assert_same(run(layer, x, dy), window_loops.avg_pool(x, dy, size, (1, 1), (0, 0), True))


@given(images(lambda draw: GlobalAvgPool2d()), seeds)
@settings(max_examples=20)
def test_global_avg_pool_equals_pytorch(case, seed):
    layer, x = case
    dy = upstream(layer, x, np.random.default_rng(seed))

    def reference(x):
        return torch_answers.torch.nn.functional.adaptive_avg_pool2d(x, 1)

    assert_same(run(layer, x, dy), torch_answers.torch_run(reference, x, dy))


def adaptive(draw):
    return AdaptiveAvgPool2d((draw(st.integers(1, 6)), draw(st.integers(1, 6))))


@given(images(adaptive), seeds)
@settings(max_examples=60)
def test_adaptive_avg_pool_equals_the_naive_loops(case, seed):
    layer, x = case
    dy = upstream(layer, x, np.random.default_rng(seed))
    assert_same(run(layer, x, dy), window_loops.adaptive_avg_pool(x, dy))


@given(images(adaptive), seeds)
@settings(max_examples=60)
def test_adaptive_avg_pool_equals_pytorch(case, seed):
    layer, x = case
    dy = upstream(layer, x, np.random.default_rng(seed))

    def reference(x):
        return torch_answers.torch.nn.functional.adaptive_avg_pool2d(x, layer.size)

    assert_same(run(layer, x, dy), torch_answers.torch_run(reference, x, dy))


def test_adaptive_avg_pool_of_its_own_size_is_the_identity():
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 5))
    assert_close(AdaptiveAvgPool2d((4, 5))(x), x, 0)


def test_ceil_mode_sees_the_last_pixels_and_takes_windows_larger_than_the_image():
    x = np.arange(6.0).reshape(1, 1, 1, 6)
    assert MaxPool2d((1, 3), stride=2)(x).ravel().tolist() == [2, 4]
    assert MaxPool2d((1, 3), stride=2, ceil_mode=True)(x).ravel().tolist() == [2, 4, 5]
    assert AvgPool2d((1, 3), stride=2, ceil_mode=True)(x).ravel().tolist() == [1, 3, 4.5]
    assert MaxPool2d(3, stride=2, ceil_mode=True)(np.ones((1, 1, 2, 2))).shape == (1, 1, 1, 1)
    with pytest.raises(ShapeError, match="covers 3 pixels along H, the input has 1"):
        MaxPool2d(3, stride=2, ceil_mode=True)(np.ones((1, 1, 1, 1)))


@pytest.mark.parametrize("make", [lambda: MaxPool2d(3, stride=2, padding=1), lambda: AvgPool2d(3), GlobalAvgPool2d])
def test_float32_stays_float32_and_near_float64(make):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 3, 7, 7)).astype(np.float32)
    dy = upstream(make(), x, rng)
    found = run(make(), x, dy)
    assert {a.dtype for a in found.values()} == {np.dtype("float32")}
    assert_same(found, run(make(), x.astype(np.float64), dy.astype(np.float64)), 1e-6)


def test_of_equal_values_the_first_takes_the_whole_gradient():
    answer = run(MaxPool2d(2), np.zeros((1, 1, 2, 2)), np.full((1, 1, 1, 1), 3.0))
    assert answer["dx"].ravel().tolist() == [3.0, 0.0, 0.0, 0.0]


def test_a_border_of_a_max_pool_never_wins():
    x = np.full((1, 1, 2, 2), -5.0)
    answer = run(MaxPool2d(3, stride=1, padding=1), x, np.ones((1, 1, 2, 2)))
    assert answer["y"].ravel().tolist() == [-5.0] * 4
    assert answer["dx"].sum() == 4.0


@pytest.mark.parametrize(
    "kernel, padding, dilation",
    [(3, 1, 1), (3, 2, 1), ((2, 5), (1, 4), 1), (2, 0, 1), (3, 3, 2), ((2, 3), (1, 4), (2, 3))],
)
def test_of_a_window_of_minus_infinity_the_first_pixel_wins(kernel, padding, dilation, xp):
    """Not the border, where the gradient would be lost."""
    x = np.full((2, 2, 4, 5), -np.inf)
    layer = MaxPool2d(kernel, stride=2, padding=padding, dilation=dilation)
    y, cache = layer.forward(to_xp(xp, x))
    assert cache[0].dtype == np.int32
    dy = np.random.default_rng(0).normal(size=y.shape)
    found = to_numpy(layer.backward(to_xp(xp, dy), cache))
    expected = window_loops.max_pool(x, dy, layer.kernel, layer.stride, layer.padding, False, layer.dilation)
    assert np.isneginf(to_numpy(y)).all()
    assert_close(found, expected["dx"])
    assert found.sum() == pytest.approx(dy.sum())
    assert_close(run(minires.compile(Sequential(layer)), x, dy)["dx"], expected["dx"])


def test_an_infinite_gradient_goes_to_the_winner_alone():
    x = np.random.default_rng(0).normal(size=(1, 1, 4, 4))
    dx = run(MaxPool2d(2), x, np.full((1, 1, 2, 2), np.inf))["dx"]
    assert sorted(dx.ravel()) == [0.0] * 12 + [np.inf] * 4


def test_a_border_wider_than_half_the_kernel_by_hand():
    x = np.array([[[[1.0, 2.0]]]])
    assert MaxPool2d((1, 3), stride=1, padding=(0, 2))(x).ravel().tolist() == [1, 2, 2, 2]
    assert AvgPool2d((1, 3), stride=1, padding=(0, 2))(3 * x).ravel().tolist() == [1, 3, 3, 2]


def test_dilation_by_hand():
    x = np.arange(25.0).reshape(1, 1, 5, 5)
    answer = run(MaxPool2d(2, stride=1, dilation=3), x, np.arange(1.0, 5).reshape(1, 1, 2, 2))
    assert answer["y"].ravel().tolist() == [18, 19, 23, 24]
    assert answer["dx"].ravel()[[18, 19, 23, 24]].tolist() == [1, 2, 3, 4] and answer["dx"].sum() == 10


def test_a_window_that_passes_over_the_image_is_refused():
    """Else its output would be minus infinity, and its gradient lost."""
    layer = MaxPool2d((1, 2), stride=1, padding=(0, 1), dilation=(1, 2))
    with pytest.raises(ShapeError, match="begins in the border passes over the 1 pixels along W by dilation 2"):
        layer(np.ones((1, 1, 3, 1)))
    assert layer(np.ones((1, 1, 3, 2))).tolist() == [[[[1, 1]] * 3]]
    layer = MaxPool2d((1, 2), padding=(0, 1), dilation=(1, 3))
    with pytest.raises(ShapeError, match="begins in the border passes over the 2 pixels along W by dilation 3"):
        layer(np.ones((1, 1, 1, 2)))
    assert MaxPool2d((1, 2), padding=(0, 2), dilation=(1, 3))(np.ones((1, 1, 1, 2))).ravel().tolist() == [1, 1]
    wide = MaxPool2d((1, 2), stride=2, padding=(0, 2), dilation=(1, 2))
    assert wide(np.ones((1, 1, 1, 1))).ravel().tolist() == [1, 1]


@pytest.mark.parametrize("padding", [((0, 1), (1, 0)), (1, (0, 2)), ((2, 0), 1), [[1, 1], [2, 2]]])
def test_two_sides_of_the_border(padding):
    """As a border of zeros laid around the image by hand."""
    x = np.random.default_rng(0).normal(size=(2, 2, 4, 5))
    borders = [b if isinstance(b, (tuple, list)) else (b, b) for b in padding]
    around = np.pad(x, [(0, 0), (0, 0), *borders])
    assert_close(AvgPool2d(3, stride=2, padding=padding)(x), AvgPool2d(3, stride=2)(around))
    assert_close(MaxPool2d(3, stride=2, padding=padding)(abs(x)), MaxPool2d(3, stride=2)(abs(around)))


@pytest.mark.parametrize("place", range(4))
def test_nan_passes_through_max_pool_and_takes_the_gradient(place):
    x = np.array([4.0, 3.0, 2.0, 1.0])
    x[place] = np.nan
    answer = run(MaxPool2d(2), x.reshape(1, 1, 2, 2), np.full((1, 1, 1, 1), 3.0))
    assert np.isnan(answer["y"]).all()
    assert answer["dx"].ravel().tolist() == [3.0 * (i == place) for i in range(4)]


def test_avg_pool_of_a_constant_with_and_without_border():
    x = np.ones((1, 1, 4, 4))
    assert_close(AvgPool2d(3, stride=1, padding=1, count_include_pad=False)(x), np.ones((1, 1, 4, 4)))
    assert AvgPool2d(3, stride=1, padding=1)(x)[0, 0, 0, 0] == pytest.approx(4 / 9)
