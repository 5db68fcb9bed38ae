"""Convolution against naive loops and PyTorch."""

import numpy as np
import pytest
from hypothesis import given, settings
from oracles import assert_same, randomise, run, upstream, torch_answers
from oracles.pytorch import F
from oracles.window_loops import conv2d as naive_conv2d
from strategies import conv2d, seeds

from minires.initializers import he_normal
from minires.layers import BatchNorm2d, Conv2d, Sequential
from minires.ops import sides


def bias_of(layer):
    return None if layer.bias is None else layer.bias.data


def settings_of(layer):
    return layer.stride, layer.padding, layer.dilation, layer.groups


@given(conv2d(), seeds)
@settings(max_examples=200)
def test_equals_the_naive_loops(case, seed):
    layer, x = case
    dy = upstream(layer, x, np.random.default_rng(seed))
    expected = naive_conv2d(x, dy, layer.weight.data, bias_of(layer), *settings_of(layer))
    assert_same(run(layer, x, dy), expected)


@given(conv2d(), seeds)
@settings(max_examples=200)
def test_equals_pytorch(case, seed):
    layer, x = case
    dy = upstream(layer, x, np.random.default_rng(seed))

    (top, bottom), (left, right) = sides(layer.padding)

    def reference(x, weight, bias=None):
        x = F.pad(x, (left, right, top, bottom))
        return F.conv2d(x, weight, bias, layer.stride, 0, layer.dilation, layer.groups)

    params = {name: p.data for name, p in layer.params()}
    assert_same(run(layer, x, dy), torch_answers.torch_run(reference, x, dy, **params))


@given(conv2d(), seeds)
@settings(max_examples=20)
def test_float32_stays_float32_and_near_float64(case, seed):
    layer, x = case
    dy = upstream(layer, x, np.random.default_rng(seed))
    expected = run(layer, x, dy)
    found = run(layer.to(dtype=np.float32), x.astype(np.float32), dy.astype(np.float32))
    assert {a.dtype for a in found.values()} == {np.dtype("float32")}
    assert_same(found, expected, 1e-5)


def test_a_border_alike_on_both_sides_is_two_numbers():
    assert Conv2d(1, 1, 3, padding=((1, 1), (2, 2)), rng=0).padding == Conv2d(1, 1, 3, padding=(1, 2), rng=0).padding
    assert Conv2d(1, 1, 3, padding=[[0, 1], 2], rng=0).padding == ((0, 1), 2)


def test_depthwise_convolution_of_one_channel_is_that_channel_alone():
    rng = np.random.default_rng(0)
    layer = randomise(Conv2d(3, 3, 3, padding=1, groups=3, rng=rng), rng)
    x = rng.normal(size=(2, 3, 5, 5))
    other = x.copy()
    other[:, 0] += 1
    assert np.array_equal(layer(x)[:, 1:], layer(other)[:, 1:])
    assert not np.array_equal(layer(x)[:, 0], layer(other)[:, 0])


def test_bias_before_batch_norm_has_no_gradient():
    rng = np.random.default_rng(0)
    model = randomise(Sequential(conv=Conv2d(3, 4, 3, bias=True, rng=rng), norm=BatchNorm2d(4)), rng)
    x = rng.normal(size=(4, 3, 6, 6))
    answer = run(model, x, upstream(model, x, rng, train=True), train=True)
    assert np.abs(answer["conv.bias"]).max() < 1e-13
    assert np.abs(answer["conv.weight"]).max() > 0.1


def test_weight_starts_with_the_variance_of_fan_in():
    weight = Conv2d(64, 128, 3, groups=2, rng=0).weight.data
    assert weight.dtype == np.float32
    assert weight.std() == pytest.approx(np.sqrt(2 / (32 * 9)), rel=0.02)
    assert np.array_equal(weight, Conv2d(64, 128, 3, groups=2, rng=0).weight.data)


def test_starts_from_he_normal_with_the_fan_of_a_rectangle_and_without_bias():
    layer = Conv2d(4, 6, (2, 5), groups=2, rng=3)
    assert layer.bias is None
    assert np.array_equal(layer.weight.data, he_normal((6, 2, 2, 5), 2 * 2 * 5, 3))
    assert Conv2d(4, 6, 3, bias=True, rng=3).bias.data.tolist() == [0] * 6


def test_cache_holds_no_columns():
    layer = Conv2d(4, 4, 3, padding=1, rng=0)
    x = np.zeros((2, 4, 8, 8), np.float32)
    _, (padded, *_) = layer.forward(x, train=True)
    assert padded.size == 2 * 4 * 10 * 10
