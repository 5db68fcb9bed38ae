"""Shattered gradients of plain networks: what the verdict turns on, and the law without batch norm."""

import numpy as np
import pytest
from experiments.edges import put, require_edge

from minires.experiments import EXPERIMENTS, shattered_plain
from minires.files.picture import new_figure

EXPERIMENT = EXPERIMENTS["shattered_plain"]
NUMBERS = {
    "batch norm": {"R": [0.4973, 0.2469, 0.0633, 0.0149, 0.004, 0.0008], "rms": [1.02, 1.23, 1.81, 2.74, 4.11, 6.15]},
    "none": {"R": [0.302, 0.056, 0.0153], "rms": [1.0, 1.0, 1.0]},
    "slope": -0.999,
    "growth": [1.193, 1.199],
}


@pytest.mark.parametrize(
    ("path", "bound", "inside"),
    [
        (("slope",), -1.15, +1),
        (("slope",), -0.9, -1),
        (("none", "R", 2), 0.010, +1),
        (("none", "R", 2), 0.022, -1),
        *((("growth", i), bound, inside) for i in (0, 1) for bound, inside in ((1.12, +1), (1.25, -1))),
    ],
)
def test_each_bound_turns_the_verdict(path, bound, inside):
    require_edge(EXPERIMENT, NUMBERS, path, bound, inside)


def test_two_to_the_minus_l_is_not_the_law_without_batch_norm():
    verdict = EXPERIMENT.verdict([put(NUMBERS, ("none", "R", 2), 2.0**-16)])
    assert [check.what for check in verdict.checks if not check.holds] == [
        "R(16) without batch norm",
        "R(16) without batch norm, times 2^16",
    ]


def test_a_correlation_below_zero_has_no_slope():
    assert EXPERIMENT.verdict([put(NUMBERS, ("slope",), float("nan"))]).word == "FAILS"


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_the_law_against_gaussian_pairs(depth):
    """By a million pairs of Gaussian units a layer: both are active with 1/2 - theta / 2 pi, of 1/2 for one."""
    rng, cosine, found = np.random.default_rng(depth), 0.0, 1.0
    for _ in range(depth):
        a, b = rng.standard_normal((2, 1_000_000))
        b = cosine * a + np.sqrt(1 - cosine**2) * b
        found *= 2 * np.mean((a > 0) & (b > 0))
        cosine = 2 * np.mean(np.maximum(a, 0) * np.maximum(b, 0))
    assert shattered_plain.law(depth) == pytest.approx(found, rel=0.02)


def test_the_picture_has_both_networks_and_both_laws():
    figure = new_figure()
    EXPERIMENT.draw([NUMBERS, NUMBERS], figure)
    assert len(figure.axes[0].lines) == 4
