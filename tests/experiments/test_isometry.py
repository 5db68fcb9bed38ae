"""Singular values of Jacobians: what the verdict turns on, and their spread where it is known."""

import math

import numpy as np
import pytest
from experiments.edges import require_edge

from minires.experiments import EXPERIMENTS, isometry
from minires.experiments.isometry import ACTIVATIONS, DEPTHS, KEPT, KINDS, WIDTH, network, singular_values, spread
from minires.files.picture import new_figure

EXPERIMENT = EXPERIMENTS["isometry"]
PARTS = dict(zip(KINDS, ([0.5, 0.1, 0.03, 0.013], [0.5, 0.2, 0.1, 0.02], [0.5, 0.3, 0.3, 0.29]), strict=True))
SIZES = dict(zip(KINDS, ([1.0] * 4, [1.4, 4.0, 256.0, 4e9], [1.4, 1.5, 1.6, 1.6]), strict=True))
NUMBERS = {
    "rms": {name: SIZES for name in ACTIVATIONS},
    "part": {name: PARTS for name in ACTIVATIONS},
    "growth": dict.fromkeys(ACTIVATIONS, 1.41),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize(
    ("what", "kind", "bound", "inside"),
    [("part", "plain", 0.05, -1), ("part", KEPT, 0.2, +1), ("rms", KEPT, 0.5, +1), ("rms", KEPT, 3, -1)],
)
def test_each_bound_turns_the_verdict(name, what, kind, bound, inside):
    require_edge(EXPERIMENT, NUMBERS, (what, name, kind, -1), bound, inside)


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_singular_values_are_those_of_a_jacobian_by_differences(kind, name, monkeypatch):
    monkeypatch.setattr(isometry, "WIDTH", 6)
    rng = np.random.default_rng(0)
    model, x, step = network(kind, name, 3, rng), rng.standard_normal(6), 1e-6 * np.eye(6)
    jacobian = (model(x + step) - model(x - step)) / 2e-6
    expected = np.linalg.svd(jacobian, compute_uv=False)
    np.testing.assert_allclose(singular_values(model, x), expected, rtol=1e-5, atol=1e-7)


def test_spread():
    assert spread(np.full(8, 3.0)) == pytest.approx((3, 1))
    assert spread(np.array([2.0, 0, 0, 0])) == pytest.approx((1, 1 / 4))
    assert spread(np.zeros(4)) == (0, 0)
    gauss = np.linalg.svd(np.random.default_rng(0).standard_normal((400, 400)) / 20, compute_uv=False)
    assert spread(gauss) == pytest.approx((1, 1 / 2), rel=0.02), "Marchenko-Pastur: mean 1, mean of squares 2"


def test_he_keeps_the_mean_square_and_a_residual_network_doubles_it():
    rng = np.random.default_rng(0)
    for kind, factor in (("plain", 1), ("residual", 2), (KEPT, 1.5)):
        found = [
            spread(singular_values(network(kind, "ReLU", 2, rng), rng.standard_normal(WIDTH)))[0] for _ in range(6)
        ]
        assert np.square(found).mean() == pytest.approx(factor**2, rel=0.15)


def test_the_condition_says_the_growth():
    assert "grow by 1.41 a block" in EXPERIMENT.verdict([NUMBERS]).condition
    assert SIZES["residual"][-1] ** (1 / DEPTHS[-1]) == pytest.approx(math.sqrt(2), abs=0.01)


def test_the_picture_has_a_line_for_each():
    figure = new_figure()
    EXPERIMENT.draw([NUMBERS], figure)
    assert len(figure.axes[0].lines) == len(KINDS) * len(ACTIVATIONS)
