"""The cache is returned and never kept, so forwards may overlap in any way; gradients add up."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import assert_close, assert_same, upstream
from strategies import LAYERS, seeds

from minires.layers import BatchNorm2d, Conv2d, GroupNorm, LayerNorm, Linear, PReLU

each = pytest.mark.parametrize("name", LAYERS)


@each
@given(st.data(), st.booleans(), seeds)
@settings(max_examples=10)
def test_two_forwards_in_flight_and_an_evaluation_between(name, data, train, seed):
    layer, x = data.draw(LAYERS[name])
    rng = np.random.default_rng(seed)
    dy = upstream(layer, x, rng, train)
    other = x + rng.normal(size=x.shape)
    _, cache = layer.forward(x, train)
    alone = layer.backward(dy, cache)
    _, other_cache = layer.forward(other, train)
    layer.forward(rng.normal(size=x.shape), train=False)
    between = layer.backward(dy, cache)
    layer.backward(dy, other_cache)
    again = layer.backward(dy, cache)
    assert_close(np.asarray(between), np.asarray(alone), 0)
    assert_close(np.asarray(again), np.asarray(alone), 0)


@each
@given(st.data(), st.booleans(), seeds)
@settings(max_examples=10)
def test_backward_adds_to_the_gradients_and_is_linear_in_dy(name, data, train, seed):
    layer, x = data.draw(LAYERS[name])
    rng = np.random.default_rng(seed)
    dy, other = upstream(layer, x, rng, train), upstream(layer, x, rng, train)
    _, cache = layer.forward(x, train)

    def backward(dy):
        layer.zero_grads()
        dx = layer.backward(dy, cache)
        return {"dx": np.asarray(dx), **{path: p.grad.copy() for path, p in layer.params()}}

    a, b, both = backward(dy), backward(other), backward(3 * dy + other)
    assert_same(both, {key: 3 * a[key] + b[key] for key in a}, 1e-11)
    layer.backward(dy, cache)
    for path, p in layer.params():
        assert_close(p.grad, both[path] + a[path], name=path)


@each
@given(st.data(), seeds)
@settings(max_examples=2)
def test_eight_threads_share_a_layer_in_evaluation(name, data, seed):
    layer, x = data.draw(LAYERS[name])
    rng = np.random.default_rng(seed)
    dy = upstream(layer, x, rng)
    inputs = [x + rng.normal(size=x.shape) for _ in range(8)]

    def step(x):
        _, cache = layer.forward(x)
        return layer.backward(dy, cache)

    expected = [step(x) for x in inputs]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(3):
            for found, right in zip(pool.map(step, inputs), expected):
                assert_close(np.asarray(found), np.asarray(right), 0)


ADDING = {
    "Linear": lambda: Linear(1500, 2000, rng=0),
    "Conv2d": lambda: Conv2d(150, 2000, (2, 5), bias=True, rng=0),
    "BatchNorm2d": lambda: BatchNorm2d(400_000),
    "GroupNorm": lambda: GroupNorm(1, 400_000),
    "LayerNorm": lambda: LayerNorm(400_000),
    "PReLU": lambda: PReLU(400_000),
}
SHAPES = {"Linear": (1, 1500), "Conv2d": (1, 150, 2, 5), "LayerNorm": (1, 400_000), "PReLU": (2, 400_000)}


@pytest.mark.parametrize("name", ADDING)
def test_threads_in_backward_of_one_layer_lose_no_gradient(name):
    """With ``grad += ...`` they do: large arrays are added outside of Python's own lock."""
    layer = ADDING[name]()
    x = np.random.default_rng(0).integers(-2, 3, SHAPES.get(name, (2, 400_000, 1, 1))).astype(np.float32)
    y, cache = layer.forward(x)
    dy = np.random.default_rng(1).integers(-2, 3, y.shape).astype(np.float32)
    layer.zero_grads()
    alone = layer.backward(dy, cache)
    once = {path: p.grad.copy() for path, p in layer.params()}
    layer.zero_grads()
    with ThreadPoolExecutor(4) as pool:
        for dx in pool.map(lambda _: layer.backward(dy, cache), range(8)):
            assert np.array_equal(dx, alone)
    for path, p in layer.params():
        np.testing.assert_allclose(p.grad, 8 * once[path], rtol=1e-5, atol=1e-5, err_msg=path)
        assert p.grad.any()
