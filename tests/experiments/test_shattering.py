"""How alike gradients are, against sums written out; the networks of shattered gradients, against what is exact."""

import math

import numpy as np
import pytest

from minires.experiments import shattering
from minires.experiments.shattering import gradients, likeness, on_a_line, plain, residual
from minires.layers import Sequential


def test_likeness_is_the_mean_over_pairs():
    g = np.random.default_rng(0).standard_normal((7, 5))
    pairs = np.mean([g[i] @ g[j] for i in range(7) for j in range(7) if i != j])
    square = np.mean([row @ row for row in g])
    assert likeness(g) == pytest.approx((pairs / square, math.sqrt(square / 5)), rel=1e-13)
    assert likeness(np.tile(g[0], (3, 1)))[0] == pytest.approx(1, rel=1e-14)


@pytest.mark.parametrize("make", [plain, residual])
def test_gradients_are_those_of_each_example_with_the_statistics_held(make):
    """Differences of one example's x, in evaluation by the statistics of the batch."""
    rng = np.random.default_rng(1)
    model = Sequential(*make(3, rng, width=6))
    x, dy = rng.standard_normal((5, 6)), rng.standard_normal(6)
    for _, layer in model.walk():
        if hasattr(layer, "momentum"):
            layer.momentum, layer.eps = 1.0, 1e-3
    found = gradients(model, x, dy)
    for _, layer in model.walk():
        if hasattr(layer, "running_var"):
            layer.running_var.data = layer.running_var.data * 4 / 5  # training divides by the biased one
    step, numeric = 1e-6, np.zeros_like(x)
    for place in np.ndindex(x.shape):
        moved = np.zeros_like(x)
        moved[place] = step
        numeric[place] = ((model(x + moved) - model(x - moved)) @ dy).sum() / (2 * step)
    np.testing.assert_allclose(found, numeric, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("depth", [1, 3])
def test_with_the_gradient_of_the_statistics_they_add_up_to_nothing(monkeypatch, depth):
    monkeypatch.setattr(shattering, "STATISTICS", "batch")
    rng = np.random.default_rng(depth)
    g = gradients(Sequential(*plain(depth, rng, width=16)), rng.standard_normal((9, 16)), rng.standard_normal(16))
    assert likeness(g)[0] == pytest.approx(-1 / 8, rel=1e-9)


def test_a_kept_variance():
    model = Sequential(*residual(1, np.random.default_rng(0), width=4, factor=0.5, keep=True)).to(dtype="float64")
    x = np.random.default_rng(1).standard_normal((3, 4))
    expected = x + 0.5 * model["0"].branch["linear"](model["0"].branch["relu"](model["0"].branch["bn"](x)))
    np.testing.assert_allclose(model(x), expected / math.sqrt(1.25), rtol=1e-12)


@pytest.mark.parametrize("norm", [True, False])
def test_a_network_of_one_number(norm):
    model = on_a_line(plain(2, np.random.default_rng(0), width=8, norm=norm), 8, np.random.default_rng(1), norm=norm)
    assert model(np.zeros((4, 1), np.float32)).shape == (4, 1)
    kinds = [type(layer).__name__ for _, layer in model.walk()]
    assert kinds.count("Linear") == 4 and kinds.count("BatchNorm1d") == 3 * norm
    assert model["0"].bias.data.std() > 0.3
