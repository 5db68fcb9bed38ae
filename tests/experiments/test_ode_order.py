"""Order of Runge-Kutta blocks: what the verdict turns on, and a solution that is known."""

import math

import numpy as np
import pytest
from experiments.edges import require_edge
from experiments.test_catalogue import STORED

from minires.experiments import ode_order

EXPERIMENT, NUMBERS = ode_order.EXPERIMENT, STORED["ode_order"][0]


@pytest.mark.parametrize(("method", "order"), ode_order.ORDERS.items())
@pytest.mark.parametrize("side", [-1, 1])
def test_each_order_turns_the_verdict(method, order, side):
    require_edge(EXPERIMENT, NUMBERS, ("order", method), order + side * 0.15, -side, 1e-9)


@pytest.mark.parametrize("method", ode_order.ORDERS)
def test_the_solution_is_that_of_the_equation(method):
    """dx/dt = tanh(x) has sinh x(1) = e sinh x(0)."""
    x = np.array([[0.3], [-1.0]])
    exact = np.arcsinh(math.e * np.sinh(x))
    found = ode_order.solve(method, np.ones((1, 1)), np.zeros(1), x, 64)
    assert np.abs(found - exact).max() < 1.5 * (1 / 64) ** ode_order.ORDERS[method]


def test_the_slope_of_a_power():
    assert ode_order.slope(np.log(ode_order.STEPS), np.log(7 * ode_order.STEPS**-3.0)) == pytest.approx(-3)
