"""Blocks built like Runge-Kutta methods converge to the solution of their ODE with the order of the method."""

import contextlib

import numpy as np

from ..layers import Layer, RungeKutta
from .experiment import Check, Claim, Experiment, Verdict
from .lab import patched

CLAIM = Claim(
    sentence="A residual block is a step of Euler's method, and blocks built like better methods are of higher order.",
    article="derivation of residual networks, HO-ResNet",
    paper="Luo et al. 2021, section 3",
)
ORDERS = {"euler": 1, "midpoint": 2, "heun": 2, "ralston": 2, "heun3": 3, "kutta3": 3, "rk4": 4}
STEPS = np.array([8, 16, 32, 64])
FINE = 2048


class Field(Layer):
    """``y = h tanh(x W^T + b)``: the field of the ODE times the length h of a step. x, y: (N, D)"""

    def __init__(self, weight, bias, step):
        self.weight, self.bias, self.step = weight, bias, step

    def forward(self, x, train=False):
        return self.step * np.tanh(x @ self.weight.T + self.bias), None


def solve(method, weight, bias, x, steps):
    """x(1) of ``dx/dt = tanh(W x + b)`` from x(0) = ``x``, by ``steps`` blocks."""
    block = RungeKutta(
        method, *[Field(weight, bias, 1 / steps)] * ORDERS[method]
    )  # as many stages as its order, up to 4
    for _ in range(steps):
        x = block(x)
    return x


def measure(seed, quick, lab):
    rng = np.random.default_rng(seed)
    problem = rng.standard_normal((8, 8)), 0.3 * rng.standard_normal(8), rng.standard_normal((4, 8))
    exact = solve("rk4", *problem, FINE)
    errors = {method: [float(np.abs(solve(method, *problem, n) - exact).max()) for n in STEPS] for method in ORDERS}
    return {"errors": errors, "order": {method: -slope(np.log(STEPS), np.log(e)) for method, e in errors.items()}}


def slope(x, y):
    """Of the straight line through the points."""
    return float(np.polyfit(x, y, 1)[0])


def verdict(numbers):
    return Verdict(
        tuple(
            Check(f"order of {method}", tuple(n["order"][method] for n in numbers), order - 0.15, order + 0.15)
            for method, order in ORDERS.items()
        )
    )


def draw(numbers, figure):
    axes = figure.subplots()
    for method, errors in numbers[0]["errors"].items():
        axes.loglog(STEPS, errors, "o-", label=method)
    axes.set_xticks(STEPS, STEPS)
    axes.minorticks_off()
    axes.set_xlabel("blocks")
    axes.set_ylabel("error of x(1)")
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))


@contextlib.contextmanager
def weights_of_heun_at_half_a_step():
    """x + (k_1 + f(x + k_1 / 2)) / 2: the mistake of a published implementation, of order 1."""

    def forward(self, x, train=False):
        if self.method != "heun":
            return right(self, x, train)
        first, second = self.functions.values()
        k = first(x)
        return x + (k + second(x + k / 2)) / 2, None

    right = RungeKutta.forward
    with patched(RungeKutta, forward=forward):
        yield


EXPERIMENT = Experiment(
    "ode_order",
    CLAIM,
    measure,
    verdict,
    draw,
    breaks={"Heun's weights 1/2, 1/2 on the point half a step ahead": weights_of_heun_at_half_a_step},
)
