"""Rank behind activations: what the verdict turns on, and what is exact."""

import numpy as np
import pytest
from experiments.edges import put, require_edge

from minires.experiments import EXPERIMENTS
from minires.experiments.rank import ACTIVATIONS, RATIOS, output, rank
from minires.files.picture import new_figure
from minires.layers import HardSwish, ReLU

EXPERIMENT = EXPERIMENTS["rank"]
NUMBERS = {"rank": {name: list(RATIOS) for name in ACTIVATIONS}, "strict": [1.0] * len(RATIOS)}
NUMBERS["rank"]["ReLU6"] = [0.8 * ratio for ratio in RATIOS]
NUMBERS["rank"]["SiLU"] = [0.9 + 0.01 * ratio for ratio in RATIOS]


@pytest.mark.parametrize(
    ("path", "bound", "inside"),
    [
        *((("rank", "linear", i), RATIOS[i] + side * 0.01, -side) for i in range(5) for side in (1, -1)),
        *((("rank", "ELU", i), NUMBERS["rank"]["ELU"][i - 1], +1) for i in (1, 9)),
        (("rank", "linear", 8), RATIOS[7], +1),
        (("rank", "SiLU", 9), NUMBERS["rank"]["SiLU"][8], +1),
        (("rank", "ReLU6", 2), NUMBERS["rank"]["SiLU"][2] - 0.1, -1),
        (("rank", "ReLU6", 9), NUMBERS["rank"]["SiLU"][9] - 0.1, -1),
    ],
)
def test_each_bound_turns_the_verdict(path, bound, inside):
    require_edge(EXPERIMENT, NUMBERS, path, bound, inside)


def test_the_strict_rank_is_full():
    assert EXPERIMENT.verdict([NUMBERS]).word == EXPERIMENT.expected
    assert EXPERIMENT.verdict([put(NUMBERS, ("strict", 3), 1 - 1e-9)]).word == "FAILS"


@pytest.mark.parametrize("ratio", [0.1, 0.3, 0.5, 1.0])
def test_the_bound_is_for_the_linear_layer_alone(ratio):
    z = output(60, ratio, np.random.default_rng(0))
    assert rank(z, 1e-9) == min(60, round(60 * ratio)) and z.shape == (240, 60)
    assert rank(ReLU()(z), 1e-9) == 60


def test_rank_counts_singular_values_above_the_tolerance():
    q, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((6, 4)))
    y = q * [2.0, 1.0, 0.21, 0.19]
    assert [rank(y, tolerance) for tolerance in (0.6, 0.4, 0.1, 0.05)] == [1, 2, 3, 4]


def test_rank_of_products():
    """rank(A o B) <= rank A rank B, and of squares r (r + 1) / 2; x^2 / 6 + x / 2, hard-swish inside, has r more."""
    rng = np.random.default_rng(1)
    for r in (2, 3, 4):
        a, b = (rng.standard_normal((40, r)) @ rng.standard_normal((r, 50)) for _ in range(2))
        assert rank(a * b, 1e-9) == r * r and rank(a * a, 1e-9) == r * (r + 1) // 2
        assert rank(HardSwish()(2.9 * a / np.abs(a).max()), 1e-9) == r * (r + 1) // 2 + r


def test_the_picture_has_a_line_for_each_activation():
    figure = new_figure()
    EXPERIMENT.draw([NUMBERS], figure)
    assert len(figure.axes[0].lines) == len(ACTIVATIONS) + 1
