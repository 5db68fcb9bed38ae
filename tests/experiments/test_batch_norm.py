"""Batch norm: what the verdict turns on."""

import numpy as np
import pytest
from experiments.edges import put, require_edge
from experiments.test_catalogue import STORED

from minires.experiments import batch_norm

EXPERIMENT, NUMBERS = batch_norm.EXPERIMENT, STORED["batch_norm"][0]
EXACT = [("output", key) for key in NUMBERS["output"]] + [("before", key) for key in NUMBERS["before"]] + [("running",)]


@pytest.mark.parametrize("path", EXACT)
def test_what_is_exact_turns_the_verdict(path):
    require_edge(EXPERIMENT, NUMBERS, path, 1e-12, -1, 1e-15)


@pytest.mark.parametrize(
    ("path", "bound", "inside", "step"),
    [(("refused",), 1, +1, 0), (("gap",), 0.8, +1, 1e-9), (("gap",), 1.2, -1, 1e-9)],
)
def test_each_bound_turns_the_verdict(path, bound, inside, step):
    if step:
        require_edge(EXPERIMENT, NUMBERS, path, bound, inside, step)
    for wrong in (0, 2):
        assert EXPERIMENT.verdict([put(NUMBERS, ("refused",), wrong)]).word == "FAILS"


@pytest.mark.parametrize(("exponent", "word"), [(-1.049, EXPERIMENT.expected), (-1.051, "FAILS"), (-0.949, "FAILS")])
def test_the_exponent_turns_the_verdict(exponent, word):
    values = [3.0 * size**exponent for size in batch_norm.SIZES]
    assert EXPERIMENT.verdict([put(NUMBERS, ("variance of the mean",), values)]).word == word


def test_the_scatter_of_the_moving_average_is_predicted_by_another_way():
    """A sum of independent means with weights .1 .9^k, once more without batch norm."""
    weights = 0.1 * 0.9 ** np.arange(200)
    predicted = batch_norm.MOMENTUM / (2 - batch_norm.MOMENTUM)
    assert (weights**2).sum() == pytest.approx(predicted, rel=1e-12)
    images = np.random.default_rng(0).uniform(size=(500, 30))
    assert batch_norm.gap(images, np.random.default_rng(1), 20) == pytest.approx(1, abs=0.1)
