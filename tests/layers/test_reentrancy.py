"""The cache is returned and never kept, so forwards may overlap in any way; gradients add up."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import assert_close, assert_same, upstream
from strategies import LAYERS, seeds

from minires.layers import Linear

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


def test_threads_that_take_turns_in_backward_lose_no_gradient():
    """``grad += ...`` has no lock of its own; dx needs none."""
    layer, turn = Linear(2000, 300, rng=0), threading.Lock()
    layer.zero_grads()
    rng = np.random.default_rng(0)
    inputs, dy = rng.integers(-2, 3, (16, 1, 2000)).astype(np.float32), np.ones((1, 300), np.float32)

    def step(x):
        _, cache = layer.forward(x)
        with turn:
            return layer.backward(dy, cache)

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(step, inputs))
    assert (layer.weight.grad == inputs.sum(axis=(0, 1))).all() and (layer.bias.grad == 16).all()
    layer.freeze()
    with ThreadPoolExecutor(8) as pool:
        for dx, alone in zip(pool.map(lambda x: layer.backward(dy, layer.forward(x)[1]), inputs), found, strict=True):
            assert np.array_equal(dx, alone)
