"""White noise or not: what the verdict turns on, and the autocorrelation of sequences that are known."""

import numpy as np
import pytest
from experiments.edges import require_edge

from minires.experiments import EXPERIMENTS
from minires.experiments.shattered_noise import LAGS, NETS, autocorrelation
from minires.files.picture import new_figure

EXPERIMENT = EXPERIMENTS["shattered_noise"]
FIRST = dict(zip(NETS, (0.988, -0.03, 0.02, 0.83, 0.65, -0.03), strict=True))
NUMBERS = {name: [first, 0.5, 0.1, 0.0, 0.0] for name, first in FIRST.items()}
ONE, DEEP, DEEPER, TENTH, WHOLE, KEPT = NETS


@pytest.mark.parametrize(
    ("name", "bound", "inside"),
    [
        (ONE, 0.95, +1),
        *((name, bound, inside) for name in (DEEP, DEEPER) for bound, inside in ((0.1, -1), (-0.1, +1))),
        (TENTH, 0.75, +1),
        (WHOLE, 0.4, +1),
    ],
)
def test_each_bound_turns_the_verdict(name, bound, inside):
    require_edge(EXPERIMENT, NUMBERS, (name, 0), bound, inside)


def test_autocorrelation_of_white_and_brown_noise():
    white = np.random.default_rng(0).standard_normal(100_000)
    assert np.abs(autocorrelation(white)).max() < 0.02
    assert autocorrelation(np.tile([1.0, 3.0], 5000)) == pytest.approx([(-1) ** lag for lag in LAGS], abs=0.01)
    assert autocorrelation(np.cumsum(white)).min() > 0.99


def test_the_condition_says_where_residual_networks_shatter_too():
    assert "neighbours have -0.03 in common" in EXPERIMENT.verdict([NUMBERS]).condition


def test_the_picture_has_a_line_for_each_network():
    figure = new_figure()
    EXPERIMENT.draw([NUMBERS], figure)
    assert len(figure.axes[0].lines) == len(NETS)
