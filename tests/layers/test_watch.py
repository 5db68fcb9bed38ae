"""Watching layers from outside."""

import numpy as np
import pytest

from minires.layers import ReLU, Residual, Sequential
from minires.layers.watch import watched


def noting(seen):
    return lambda path, layer, method: lambda *args: (seen.append((path, layer)), method(*args))[1]


def test_calls_are_seen_and_afterwards_nothing_is_left():
    shared = ReLU()
    model = Sequential(a=shared, b=Residual(shared))
    forwards, terms = [], []
    x = np.ones((1, 2))
    with watched(model.walk(), forward=noting(forwards), terms=noting(terms)):
        _, cache = model.forward(x)
        model.backward(x, cache)
    assert [path for path, _ in forwards] == ["", "a", "b", "b.shortcut", "a"]
    assert terms == [("b", model["b"])]
    assert all("forward" not in vars(layer) and "terms" not in vars(layer) for _, layer in model.walk())


def test_a_hook_that_was_there_comes_back_also_after_an_error():
    layer = ReLU()
    hook = layer.forward = lambda x, train=False: (x, None)
    with pytest.raises(ZeroDivisionError), watched(layer.walk(), forward=noting([])):
        assert layer.forward is not hook
        raise ZeroDivisionError
    assert layer.forward is hook


def test_a_hook_comes_back_to_the_layer_that_had_it():
    model = Sequential(ReLU(), ReLU(), ReLU())
    hook = model.at("0").forward = lambda x, train=False: (x, None)
    with watched(model.walk(), forward=noting([])):
        pass
    assert model.at("0").forward is hook
    assert all("forward" not in vars(layer) for path, layer in model.walk() if path != "0")
