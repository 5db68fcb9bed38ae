"""Batch norm from the sums of chunks: merged, tracked, and its gradient as an affine map."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import assert_close

from minires.engine.affine import BatchNorm, Bias, FoldedNorm, RunningNorm
from minires.engine.cpu.affine import Slopes, State
from minires.engine.cpu.memory import Chunk, Workspace
from minires.engine.values import Value
from minires.layers import BatchNorm2d, Conv2d


def norm_of(channels):
    rng = np.random.default_rng(1)
    norm = BatchNorm2d(channels, momentum=0.3).to(dtype=np.float64)
    for _, tensor in norm.tensors():
        tensor.data = rng.uniform(0.5, 1.5, channels)
    return norm


def measured(norm, x, sizes, rows=10**9, apart=False):
    """The state of a batch norm whose chunks have given their sums, in blocks of at most ``rows`` rows.

    apart: each in a band of its own
    """
    n, channels, *size = x.shape
    state = State(BatchNorm(0, norm, Value(1, channels, tuple(size))), sizes, x.dtype)
    work, start = Workspace(x.dtype), 0
    for i, count in enumerate(sizes):
        chunk = Chunk(np.zeros(Chunk.numbers(count, channels, size, size, 0), x.dtype), count, channels, size, size, 0)
        chunk.image[...] = x[start : start + count].transpose(2, 3, 0, 1)
        blocks = [slice(r, min(r + rows, size[0])) for r in range(0, size[0], rows)]
        state.measure(i, chunk, [[block] for block in blocks] if apart else [blocks], work)
        start += count
    state.fix()
    return state


@given(
    st.lists(st.integers(1, 4), min_size=1, max_size=5),
    st.integers(1, 3),
    st.integers(1, 4),
    st.integers(1, 4),
    st.integers(1, 5),
    st.sampled_from([0.0, 1e3]),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=60)
def test_statistics(sizes, channels, height, width, rows, mean, apart, seed):
    x = mean + np.random.default_rng(seed).normal(size=(sum(sizes), channels, height, width))
    x += np.arange(len(x))[:, None, None, None]  # chunks with different means
    state = measured(norm_of(channels), x, sizes, rows, apart)
    count = x.size // channels
    assert_close(state.coefficients.mean, x.mean((0, 2, 3)), 1e-13)
    mean_, squares = state.merged()
    assert_close(squares / count, x.var((0, 2, 3)), 1e-11 if mean == 0 else 1e-8)
    if count == 1:
        return
    norm = norm_of(channels)
    expected, _ = norm.forward(x, True)
    z = state.scale[:, None, None] * x + state.coefficients.shift[:, None, None]
    assert_close(z, expected, 1e-8)
    tracked = norm_of(channels)
    BatchNorm(0, tracked, state.affine.y).track(mean_, squares / (count - 1))
    state.track()
    for name in ("running_mean", "running_var"):
        assert np.array_equal(getattr(tracked, name).data, getattr(state.affine.layer, name).data)
    assert_close(tracked.running_mean.data, norm.running_mean.data, 1e-12)
    assert_close(tracked.running_var.data, norm.running_var.data, 1e-10)


def test_float32_far_from_zero():
    """E[y^2] - E[y]^2 would have nothing left at a mean of 3000."""
    x = (np.random.default_rng(0).normal(size=(9, 2, 5, 6)) + 3000).astype(np.float32)
    norm = norm_of(2).to(dtype=np.float32)
    state = measured(norm, x, [5, 4])
    assert_close(state.merged()[1] / (x.size / 2), x.astype(np.float64).var((0, 2, 3)), 1e-3)


@pytest.mark.parametrize("far", [0.0, 30.0])
def test_the_gradient(far):
    """dy = scale (Z + slope y + level), dbeta = S1, dgamma = istd S2 of the docstring, against the layer."""
    rng = np.random.default_rng(0)
    x, z = rng.normal(size=(2, 5, 3, 4, 2)) + 1
    x += far
    norm, sizes = norm_of(3), [3, 2]
    _, cache = norm.forward(x, True)
    norm.zero_grads()
    dx = norm.backward(z, cache)
    ours, mean = norm_of(3), x.mean((0, 2, 3), keepdims=True)
    slopes = Slopes(measured(ours, x, sizes))
    assert slopes.state.near == (far == 0)
    origin = 0 if slopes.state.near else mean
    for i, part in enumerate((slice(0, 3), slice(3, 5))):
        slopes.s1[i], slopes.s2[i] = z[part].sum((0, 2, 3)), (z * (x - origin))[part].sum((0, 2, 3))
    slopes.finish()
    assert_close(ours.gamma.grad, norm.gamma.grad, 1e-12)
    assert_close(ours.beta.grad, norm.beta.grad, 1e-12)
    slope, level = (tile[:3, None, None] for tile in slopes.tiles[3])
    assert_close(slopes.state.scale[:, None, None] * (z + slope * x + level), dx, 1e-12)


def test_constant_maps():
    norm, conv = norm_of(3), Conv2d(2, 3, 1, bias=True, rng=0).to(dtype=np.float64)
    conv.bias.data = np.array([1.0, -2.0, 3.0])
    y = np.random.default_rng(0).normal(size=(2, 3, 4, 5))

    def mapped(kind, layer, y, *more):
        state = State(kind(0, layer, Value(1, 3, (4, 5)), *more), [2], y.dtype)
        state.fix()
        y = y if state.scale is None else state.scale[:, None, None] * y
        return y + state.coefficients.shift[:, None, None]

    bias = conv.bias.data[:, None, None]
    assert_close(mapped(RunningNorm, norm, y), norm(y), 1e-13)
    assert_close(mapped(Bias, conv, y), y + bias, 1e-13)
    scale = (norm.gamma.data / np.sqrt(norm.running_var.data + norm.eps))[:, None, None]
    assert_close(mapped(FoldedNorm, norm, scale * y, conv), norm(y + bias), 1e-12)
    assert_close(mapped(FoldedNorm, norm, scale * y, Conv2d(2, 3, 1, rng=0)), norm(y), 1e-12)


@pytest.mark.parametrize("frozen", [True, False])
def test_a_frozen_parameter_gets_no_gradient(frozen):
    conv = Conv2d(2, 3, 1, bias=True, rng=0).to(dtype=np.float64)
    conv.bias.grad += 1
    conv.bias.frozen = frozen
    state = State(Bias(0, conv, Value(1, 3, (4, 5))), [2, 1], np.float64)
    state.fix()
    slopes = Slopes(state)
    slopes.s1[...] = [[1.0, 2.0, 3.0], [0.0, 0.0, 1.0]]
    slopes.finish()
    assert conv.bias.grad.tolist() == ([1, 1, 1] if frozen else [2, 3, 5])
