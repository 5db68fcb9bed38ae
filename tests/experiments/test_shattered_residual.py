"""Gradients of residual networks: what the verdict turns on, and the product in theory."""

import math

import pytest
from experiments.edges import require_edge

from minires.experiments import EXPERIMENTS, shattered_residual
from minires.files.picture import new_figure

EXPERIMENT = EXPERIMENTS["shattered_residual"]
NUMBERS = {
    "R": [0.747, 0.602, 0.44, 0.306, 0.19, 0.118, 0.0739],
    "rms": [1.41, 1.85, 2.42, 3.6, 5.6, 9.1, 15.4],
    "slope": -0.65,
    "from theory": 0.085,
}


@pytest.mark.parametrize(
    ("path", "bound", "inside"),
    [
        (("slope",), -0.75, +1),
        (("slope",), -0.5, -1),
        (("R", 6), 0.05, +1),
        (("from theory",), shattered_residual.APART, -1),
    ],
)
def test_each_bound_turns_the_verdict(path, bound, inside):
    require_edge(EXPERIMENT, NUMBERS, path, bound, inside)


def test_the_refined_product():
    growth = (math.pi - 1) / math.pi
    assert shattered_residual.refined(1) == 0.75
    assert shattered_residual.refined(2) == pytest.approx(0.75 * (1 + 0.5 / (1 + growth)) / (1 + 1 / (1 + growth)))
    far = [math.log(shattered_residual.refined(d)) for d in (10**5, 10**6)]
    assert (far[1] - far[0]) / math.log(10) == pytest.approx(-math.pi / (2 * (math.pi - 1)), abs=1e-4)


def test_the_condition_says_the_exponent():
    assert "the exponent is -0.65" in EXPERIMENT.verdict([NUMBERS]).condition


def test_the_picture_has_three_lines():
    figure = new_figure()
    EXPERIMENT.draw([NUMBERS], figure)
    assert len(figure.axes[0].lines) == 3
