"""Runge-Kutta blocks: their terms, their compositions, and the order of accuracy that the methods are known for."""

import math

import numpy as np
import pytest
from oracles import assert_close, jacobian, randomise

from minires.errors import RangeError, ShapeError
from minires.layers import Linear, Residual, RungeKutta, Scale, Sequential, Tanh
from minires.layers.runge_kutta import METHODS

ORDERS = {"euler": 1, "midpoint": 2, "heun": 2, "ralston": 2, "heun3": 3, "kutta3": 3, "rk4": 4}


def dense(rng, features=3):
    return randomise(Sequential(Linear(features, features, rng=rng), Tanh()), rng)


def batch(count, seed=0):
    """(functions, x, dy) for ``count`` functions."""
    rng = np.random.default_rng(seed)
    return [dense(rng) for _ in range(count)], *rng.normal(size=(2, 2, 3))


def test_the_equations_of_every_method():
    """Spelled out; each method has functions of its own."""
    (f1, f2, f3, f4), x, _ = batch(4)
    k1 = f1(x)
    half, full = f2(x + k1 / 2), f2(x + k1)
    ralston, third = f2(x + 2 * k1 / 3), f2(x + k1 / 3)
    k3 = f3(x + half / 2)
    expected = {
        "euler": x + k1,
        "midpoint": x + half,
        "heun": x + (k1 + full) / 2,
        "ralston": x + k1 / 4 + 3 * ralston / 4,
        "heun3": x + k1 / 4 + 3 * f3(x + 2 * third / 3) / 4,
        "kutta3": x + (k1 + 4 * half + f3(x - k1 + 2 * half)) / 6,
        "rk4": x + (k1 + 2 * half + 2 * k3 + f4(x + k3)) / 6,
    }
    assert expected.keys() == METHODS.keys() == ORDERS.keys()
    for method, y in expected.items():
        layer = RungeKutta(method, *(f1, f2, f3, f4)[: len(METHODS[method][1])])
        assert_close(layer(x), y, name=method)


def test_backward_of_rk4_is_the_published_one():
    functions, x, g = batch(4)
    layer = RungeKutta("rk4", *functions)
    f1, f2, f3, _ = functions
    k1, k2 = f1(x), f2(x + f1(x) / 2)
    inputs = [x, x + k1 / 2, x + k2 / 2, x + f3(x + k2 / 2)]
    j1, j2, j3, j4 = (jacobian(f, z) for f, z in zip(functions, inputs))
    u = g.ravel()
    a4 = j4.T @ (u / 6)
    a3 = j3.T @ (u / 3 + a4)
    a2 = j2.T @ (u / 3 + a3 / 2)
    a1 = j1.T @ (u / 6 + a2 / 2)
    _, cache = layer.forward(x)
    terms = layer.terms(g, cache)
    assert list(terms) == ["shortcut", "k1", "k2", "k3", "k4"]
    for term, expected in zip(terms.values(), (u, a1, a2, a3, a4)):
        assert_close(term.ravel(), expected)
    assert terms["shortcut"] is g and layer.shortcut_term(g, cache) is g
    assert_close(layer.backward(g, cache).ravel(), u + a1 + a2 + a3 + a4)


def test_euler_is_the_residual_block_and_midpoint_two_of_them():
    (f, g), x, dy = batch(2)
    pairs = {
        RungeKutta("euler", f): Residual(f),
        RungeKutta("midpoint", f, g): Residual(Sequential(Residual(Sequential(f, Scale(0.5))), g)),
    }
    for layer, same in pairs.items():
        y, cache = layer.forward(x)
        expected, expected_cache = same.forward(x)
        assert_close(y, expected)
        assert_close(layer.backward(dy, cache), same.backward(dy, expected_cache))


@pytest.mark.parametrize("method", METHODS)
def test_order_of_accuracy(method):
    """The error of x' = tanh(W x) at t = 1 falls with the step to the power of the order, over 8 to 64 steps."""
    rng = np.random.default_rng(0)
    field, x = Sequential(Linear(4, 4, rng=rng), Tanh()).to(dtype=np.float64), rng.normal(size=(1, 4))

    def solve(method, steps):
        f = Sequential(field, Scale(1 / steps))
        step, y = RungeKutta(method, *[f] * len(METHODS[method][1])), x
        for _ in range(steps):
            y = step(y)
        return y

    exact = solve("rk4", 2048)
    counts = (8, 16, 32, 64)
    errors = [np.linalg.norm(solve(method, steps) - exact) for steps in counts]
    slope, _ = np.polyfit([math.log(n) for n in counts], np.log(errors), 1)
    assert -slope == pytest.approx(ORDERS[method], abs=0.1)


def test_a_step_shows_its_method():
    assert repr(RungeKutta("heun", Tanh(), Tanh())).startswith("RungeKutta(method='heun')\n  k1: Tanh()")


def test_errors_say_what_fits():
    (f, g), x, _ = batch(2)
    with pytest.raises(RangeError, match="method is 'rk5', expected one of euler, midpoint"):
        RungeKutta("rk5", f)
    with pytest.raises(RangeError, match="heun got 1 functions, expected 2"):
        RungeKutta("heun", f)
    wrong = randomise(Linear(3, 4, rng=0), np.random.default_rng(0))
    with pytest.raises(ShapeError, match=r"k2 gives \(2, 4\), the input \(2, 3\)"):
        RungeKutta("heun", f, wrong)(x)
