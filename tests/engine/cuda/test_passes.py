"""Joins and batch norms in every stored type and five orders of the threads, against NumPy float64."""

import numpy as np
import pytest
from cuda_emulation import ORDERS, Host, oracle
from engine.cuda import checks_passes as checks

from minires.engine.cuda import passes

STORED = ["float32", "bf16"]
CHECKS = {f.__name__: f for f in (checks.batch_norm, checks.constant_maps, checks.gradient, checks.bias_gradient)}


@pytest.mark.parametrize("size", checks.SIZES, ids=str)
@pytest.mark.parametrize("precision", STORED)
@pytest.mark.parametrize("check", CHECKS)
def test_a_pass_is_that_of_float64(check, precision, size):
    pixels, channels = size
    if check == "batch_norm":
        pixels = max(pixels, 2)  # one value a channel has no variance
    CHECKS[check](Host(), precision, pixels, channels)


@pytest.mark.parametrize("order", [order for order in ORDERS if order != "ascending"])
@pytest.mark.parametrize("precision", STORED)
@pytest.mark.parametrize("check", CHECKS)
def test_no_order_of_the_threads_changes_it(check, precision, order):
    for size in ((530, 130), (77, 16)):
        CHECKS[check](Host(order), precision, *size)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("check", [checks.batch_norm, checks.gradient])
def test_a_mean_of_10000_costs_no_digit(check, order):
    check(Host(order), "float32", 530, 36, mean=1e4)


@pytest.mark.parametrize("precision", STORED)
def test_running_statistics_can_move_later(precision):
    checks.moved_later(Host(), precision, 300, 36)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("precision", STORED)
def test_parts_of_values(precision, order):
    checks.parts(Host(order), precision)


def test_nan_passes_the_relu_and_closes_it_for_the_gradient():
    n = checks.Numbers("float32", Host(), 2, 8)
    x, dy = n.draw(), n.draw()
    x[0, :4] = np.nan, np.inf, -np.inf, -0.0
    y, z = n.empty(), n.empty()
    n.run(passes.join("float32", 2, 8, y, n.rows(x), relu=True))
    np.testing.assert_array_equal(y, np.where(x <= 0, 0, x))
    n.run(passes.assemble("float32", 2, 8, z, [passes.Contribution(n.rows(dy))], y))
    np.testing.assert_array_equal(z, np.where(x > 0, dy, 0))


@pytest.mark.parametrize("channels", [1, 3, 8, 16, 24, 64, 130, 2048])
def test_lanes_are_a_power_of_two_that_the_row_has(channels):
    side = passes.lanes(channels)
    assert side & side - 1 == 0 and 4 * side <= oracle.pitch(channels) and side <= 64
