"""Layers that move values: entry by entry, and backward as the transpose of the matrix of forward."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import assert_same, jacobian, run, upstream, torch_answers
from strategies import LAYERS, few, images, seeds

from minires.layers import Flatten, Identity, PadChannels, Scale, Sequential, Subsample

any_images = images(lambda draw: Identity()).map(lambda case: case[1])


@pytest.mark.parametrize("name", ["Identity", "Flatten", "Scale", "Subsample", "PadChannels", "SliceChannels"])
@given(st.data(), seeds)
@settings(max_examples=20)
def test_backward_is_the_transpose_of_the_matrix_of_forward(name, data, seed):
    layer, x = data.draw(LAYERS[name])
    dy = upstream(layer, x, np.random.default_rng(seed))
    matrix = jacobian(layer, np.zeros(x.shape))
    expected = {"y": (matrix @ x.ravel()).reshape(dy.shape), "dx": (matrix.T @ dy.ravel()).reshape(x.shape)}
    assert_same(run(layer, x, dy), expected)


@given(any_images, few, seeds)
@settings(max_examples=30)
def test_subsample_takes_every_stride_th_pixel(x, stride, seed):
    n, c, h, w = x.shape
    y = np.empty((n, c, -(-h // stride), -(-w // stride)))
    dy = np.random.default_rng(seed).normal(size=y.shape)
    dx = np.zeros(x.shape)
    for e in np.ndindex(y.shape):
        source = (*e[:2], e[2] * stride, e[3] * stride)
        y[e] = x[source]
        dx[source] = dy[e]
    assert_same(run(Subsample(stride), x, dy), {"y": y, "dx": dx}, 0)


@given(any_images, st.integers(0, 2), st.integers(0, 2), seeds)
@settings(max_examples=30)
def test_pad_channels_puts_zero_channels_around(x, before, after, seed):
    n, c, h, w = x.shape
    y = np.zeros((n, before + c + after, h, w))
    dy = np.random.default_rng(seed).normal(size=y.shape)
    dx = np.empty(x.shape)
    for k in range(c):
        y[:, before + k] = x[:, k]
        dx[:, k] = dy[:, before + k]
    assert_same(run(PadChannels(before, after), x, dy), {"y": y, "dx": dx}, 0)


@given(any_images, st.integers(1, 2), st.integers(0, 3), seeds)
@settings(max_examples=20)
def test_option_a_equals_pytorch(x, stride, extra, seed):
    shortcut = Sequential(Subsample(stride), PadChannels(extra, extra))
    dy = upstream(shortcut, x, np.random.default_rng(seed))

    def reference(x):
        return torch_answers.torch.nn.functional.pad(x[:, :, ::stride, ::stride], (0, 0, 0, 0, extra, extra))

    assert_same(run(shortcut, x, dy), torch_answers.torch_run(reference, x, dy), 0)


def test_flatten_is_in_row_major_order():
    x = np.arange(24.0).reshape(2, 3, 2, 2)
    answer = run(Flatten(), x, x.reshape(2, 12))
    assert answer["y"].tolist() == [list(range(12)), list(range(12, 24))]
    assert np.array_equal(answer["dx"], x)


def test_scale_keeps_float32():
    x = np.ones(3, np.float32)
    assert run(Scale(np.float64(0.5)), x, x)["y"].dtype == np.float32
