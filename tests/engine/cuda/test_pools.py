"""Pools, gates and activations in every stored type and five orders of the threads, against the layers in float64."""

import numpy as np
import pytest
from cuda_emulation import ORDERS, Host
from engine.cuda import checks_pools as checks

from minires.engine.cuda import pools
from minires.layers import ELU, GELU, HardSwish, LeakyReLU, MaxPool2d, ReLU6, Sigmoid, SiLU, Tanh

STORED = ["float32", "bf16"]
LAYERS = [
    (ReLU6(), 0), (LeakyReLU(0.2), 0.2), (ELU(0.7), 0.7), (GELU(), 0), (GELU(approximate="tanh"), 0), (Sigmoid(), 0),
    (Tanh(), 0), (SiLU(), 0), (HardSwish(), 0),
]  # fmt: skip


@pytest.mark.parametrize("case", checks.POOLS)
@pytest.mark.parametrize("precision", STORED)
@pytest.mark.parametrize("kind", [checks.maximum, checks.mean])
def test_a_pool_is_that_of_the_layer(kind, precision, case):
    kind(Host(), precision, case)


@pytest.mark.parametrize("precision", STORED)
@pytest.mark.parametrize("order", ORDERS)
def test_means_of_images_and_their_factors(order, precision):
    checks.global_mean(Host(order), precision)


@pytest.mark.parametrize("order", ORDERS)
def test_no_order_of_the_threads_changes_a_pool_or_a_gate(order):
    checks.maximum(Host(order), "float32", "3x3 of stride 2, border 1")
    checks.mean(Host(order), "float32", "ceil, uneven border")
    checks.gates(Host(order), "float32")


@pytest.mark.parametrize("precision", STORED)
def test_gates(precision):
    checks.gates(Host(), precision)


@pytest.mark.parametrize("precision", STORED)
@pytest.mark.parametrize(
    "kind, layer, slope", [(k, *v) for k, v in zip(pools.ACTIVATIONS, LAYERS)], ids=pools.ACTIVATIONS
)
def test_an_activation_is_that_of_the_layer(kind, layer, slope, precision):
    checks.activation(Host(), precision, kind, layer, float(slope))


def test_nan_wins_in_a_maximum_and_the_border_never_does():
    n = checks.Numbers("float32", Host())
    x = n.draw(1, 6, 6, 8)
    x[0, 2, 2, 0], x[..., 1], x[0, :2, :2, 2] = np.nan, -np.inf, np.inf
    layer, g, _, out = checks._pool("3x3 of stride 2, border 1", 1)
    g = pools.Pool(1, 8, *(checks.Window(6, 3, 3, 2, 1) for _ in "hw"))
    y, winner, dx = n.empty(1, 3, 3, 8), n.arena.array((1, 3, 3, 8), np.uint8), n.empty(1, 6, 6, 8)
    dy = n.draw(1, 3, 3, 8)
    n.run(pools.maximum("float32", g, y, winner, n.rows(x)))
    n.run(pools.maximum_back("float32", g, dx, n.rows(dy), winner))
    layer = MaxPool2d(3, stride=2, padding=1)
    expected, cache = layer.forward(checks.nchw(x))
    np.testing.assert_array_equal(y, checks.nhwc(expected))
    np.testing.assert_allclose(dx, checks.nhwc(layer.backward(checks.nchw(dy), cache)), rtol=1e-6)
