"""Layers of one trained number."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import assert_same, run
from oracles.torch_answers import torch_run
from strategies import LAYERS, seeds

from minires.errors import DTypeError
from minires.layers import Gain, Linear, Offset, Residual, Sequential

NAMES = ["Gain", "Offset"]


def naive(layer, x, dy):
    """Entry by entry, in Python's numbers."""
    gain = layer.weight.data.item() if isinstance(layer, Gain) else 1.0
    offset = layer.bias.data.item() if isinstance(layer, Offset) else 0.0
    y, dx, weight, bias = np.empty(x.shape), np.empty(x.shape), 0.0, 0.0
    for e in np.ndindex(x.shape):
        y[e], dx[e] = gain * x[e] + offset, gain * dy[e]
        weight, bias = weight + x[e] * dy[e], bias + dy[e]
    return {"y": y, "dx": dx} | (
        {"weight": np.array([weight])} if isinstance(layer, Gain) else {"bias": np.array([bias])}
    )


@pytest.mark.parametrize("name", NAMES)
@given(st.data(), seeds)
@settings(max_examples=30)
def test_equals_the_loop(name, data, seed):
    layer, x = data.draw(LAYERS[name])
    dy = np.random.default_rng(seed).normal(size=x.shape)
    assert_same(run(layer, x, dy), naive(layer, x, dy))


@pytest.mark.parametrize("name", NAMES)
@given(st.data(), seeds)
@settings(max_examples=20)
def test_equals_pytorch(name, data, seed):
    layer, x = data.draw(LAYERS[name])
    dy = np.random.default_rng(seed).normal(size=x.shape)
    if name == "Gain":
        expected = torch_run(lambda x, weight: weight * x, x, dy, weight=layer.weight.data)
    else:
        expected = torch_run(lambda x, bias: x + bias, x, dy, bias=layer.bias.data)
    assert_same(run(layer, x, dy), expected)


@pytest.mark.parametrize("kind, default", [(Gain, 1), (Offset, 0)])
def test_starts(kind, default):
    for layer, value in ((kind(), default), (kind(0.25), 0.25), (kind(np.float64(-2)), -2)):
        ((_, param),) = layer.params()
        assert param.data.tolist() == [value] and param.data.dtype == np.float32
    x = np.ones((2, 3), np.float32)
    assert run(kind(np.float64(0.3)), x, x)["dx"].dtype == np.float32
    with pytest.raises(DTypeError, match=f"{kind.__name__}: start is 'a', expected a number"):
        kind("a")


@pytest.mark.parametrize("kind", [Gain, Offset])
def test_a_frozen_one_learns_nothing(kind):
    layer, x = kind(0.5), np.ones((2, 3), np.float32)
    layer.freeze()
    answer = run(layer, x, x)
    assert answer[{Gain: "weight", Offset: "bias"}[kind]].tolist() == [0]
    assert answer["dx"].tolist() == ({Gain: 0.5, Offset: 1}[kind] * x).tolist()


def test_a_block_with_a_gain_of_zero_is_the_identity_and_its_gain_moves_first():
    """SkipInit: y = x, dx = dy, no gradient for the branch, and dg = <F(x), dy>."""
    branch = Linear(4, 4, rng=0)
    block = Residual(Sequential(branch, Gain(0.0))).to(dtype=np.float64)
    x, dy = np.random.default_rng(1).normal(size=(2, 3, 4))
    found = run(block, x, dy)
    assert np.array_equal(found["y"], x) and np.array_equal(found["dx"], dy)
    assert not found["branch.0.weight"].any() and not found["branch.0.bias"].any()
    np.testing.assert_allclose(found["branch.1.weight"], [(branch(x) * dy).sum()], rtol=1e-12)
