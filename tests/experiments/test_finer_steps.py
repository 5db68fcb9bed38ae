"""Finer steps: what the verdict turns on, and that they are the same equation."""

import numpy as np
import pytest
from experiments.edges import require_edge

from minires.experiments import EXPERIMENTS, finer_steps
from minires.files.picture import new_figure
from minires.layers import Layer, Residual, Scale, Sequential

EXPERIMENT = EXPERIMENTS["finer_steps"]
NUMBERS = {
    "moved": {"trained": [0.0, 0.130, 0.183], "fresh": [0.0, 0.614, 0.696]},
    "accuracy": {"trained": [0.98, 0.98, 0.98], "fresh": [0.1, 0.1, 0.1]},
}


@pytest.mark.parametrize(
    ("path", "bound", "inside"),
    [(("moved", "trained", 1), 0.2, -1), (("moved", "fresh", 1), 0.4, +1), (("accuracy", "trained", 1), 0.93, +1)],
)
def test_each_bound_turns_the_verdict(path, bound, inside):
    require_edge(EXPERIMENT, NUMBERS, path, bound, inside)


def test_finer_steps_of_a_linear_equation_come_to_its_solution():
    """x + F(x) with F(x) = a x: (1 + a / n)^n x, which is e^a x in the end. The change of shape stays as it is."""
    stages = Sequential(Residual(Scale(0.8), Scale(2)), Residual(Scale(0.8)))
    x = np.random.default_rng(0).standard_normal((2, 3))
    for parts in (1, 2, 5, 10_000):
        found = finer_steps.finer(stages, parts)(x) if parts < 100 else finer_steps.steps(Scale(0.8), parts)(2.8 * x)
        np.testing.assert_allclose(found, 2.8 * (1 + 0.8 / parts) ** parts * x, rtol=1e-9)
    np.testing.assert_allclose(found, 2.8 * np.exp(0.8) * x, rtol=1e-4)


def test_the_steps_share_their_branch():
    class Counting(Layer):
        calls = 0

        def forward(self, x, train=False):
            Counting.calls += 1
            return 0 * x, None

    finer_steps.finer(Sequential(Residual(Counting())), 4)(np.ones((1, 2)))
    assert Counting.calls == 4


def test_the_picture_has_a_line_for_each_network():
    figure = new_figure()
    EXPERIMENT.draw([NUMBERS, NUMBERS], figure)
    assert [list(line.get_ydata()) for line in figure.axes[0].lines] == list(NUMBERS["moved"].values())
