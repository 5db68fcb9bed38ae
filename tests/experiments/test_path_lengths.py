"""Path lengths: what the verdict turns on, and the numbers against the trace's."""

import math

import numpy as np
import pytest
from experiments.edges import EPS, put, require_edge

from minires import models
from minires.data import Normalize
from minires.experiments import Lab, path_lengths
from minires.files.picture import new_figure
from minires.trace import all_paths, trace

EXPERIMENT = path_lengths.EXPERIMENT
LENGTHS = range(28)


def numbers(slope=-0.9, lengths=(8,)):
    """As measured, in form: norms of paths along a line, and all contributions at a few lengths."""
    return {
        "error": 5e-16,
        "counts": [float(math.comb(27, k)) for k in LENGTHS],
        "projections": [1.0] + 27 * [0.0],
        "path_norms": [math.exp(slope * k) for k in LENGTHS],
        "contributions": [float(k in lengths) / len(lengths) for k in LENGTHS],
    }


def test_the_sum_over_the_lengths_turns_the_verdict():
    assert EXPERIMENT.verdict([put(numbers(), ("error",), 0.9e-12)]).word == "HOLDS"
    assert EXPERIMENT.verdict([put(numbers(), ("error",), 1.1e-12)]).word == "FAILS"


@pytest.mark.parametrize(("slope", "word"), [(-0.35 - EPS, "HOLDS"), (-0.35 + EPS, "FAILS")])
def test_the_slope_turns_the_verdict(slope, word):
    assert EXPERIMENT.verdict([numbers(slope)]).word == word


@pytest.mark.parametrize(("lengths", "word"), [((10,), "HOLDS"), ((11,), "FAILS")])
def test_the_mean_length_turns_the_verdict(lengths, word):
    assert EXPERIMENT.verdict([numbers(lengths=lengths)]).word == word


def test_the_part_of_short_paths_turns_the_verdict():
    long = put(numbers(), ("contributions", 17), 0.0)
    require_edge(EXPERIMENT, put(long, ("contributions", 0), 0.0), ("contributions", 8), 0.95, +1)
    assert (
        EXPERIMENT.verdict([put(put(numbers(), ("contributions", 8), 0.94), ("contributions", 17), 0.06)]).word
        == "FAILS"
    )


def test_the_picture_has_one_path_and_all_paths():
    figure = new_figure()
    EXPERIMENT.draw([numbers()], figure)
    assert [len(axes.lines) for axes in figure.axes] == [1, 3]


def test_numbers_are_those_of_every_path(monkeypatch):
    """Three blocks have eight paths: each is walked by itself."""
    monkeypatch.setattr(path_lengths, "NETWORK", ("digits_resnet8", {"block": "full_preact"}))
    monkeypatch.setattr(path_lengths, "IMAGES", 8)
    monkeypatch.setattr(path_lengths, "SAMPLES", 8)
    lab = Lab()
    monkeypatch.setattr(lab, "trained", lambda name, seed, **options: (models.build(name, rng=seed, **options), []))
    found = EXPERIMENT.measure(0, True, lab)
    train = lab.digits[0]
    model = models.build("digits_resnet8", block="full_preact", rng=0).to(dtype=np.float64)
    ledger = trace(model, Normalize.of(train)(train.images[:8], np.float64), train.labels[:8])
    norms = [[], [], [], []]
    for branches, gradient in all_paths(ledger):
        norms[len(branches)].append(np.linalg.norm(gradient))
    means = [np.mean(n) for n in norms]
    assert found["path_norms"] == pytest.approx(means, rel=1e-9)
    assert found["counts"] == [1, 3, 3, 1]
    weights = np.multiply(means, found["counts"])
    assert found["contributions"] == pytest.approx(weights / weights.sum(), rel=1e-9)
    assert sum(found["projections"]) == pytest.approx(1)
    assert found["error"] < 1e-12
