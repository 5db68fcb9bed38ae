"""Without batch norm: what the verdict turns on, and the networks at the start."""

import numpy as np
import pytest
from experiments.edges import put, require_edge

from minires.experiments import EXPERIMENTS, without_norm
from minires.files.picture import new_figure
from minires.layers import Gain, Residual

EXPERIMENT = EXPERIMENTS["without_norm"]
NUMBERS = {  # as measured with seed 0
    "growth": {"he": 1.72, "skipinit": 1.0},
    "loss": {start: [2.3, 1.2, 0.2] for start in without_norm.WORDS},
    "accuracy": {
        "he": 0.1,
        "he at a fifth": 0.394,
        "one over root n": 0.925,
        "skipinit": 0.942,
        "fixup": 0.964,
        "batch norm": 0.981,
    },
}


@pytest.mark.parametrize(
    ("path", "bound", "inside"),
    [
        *((("accuracy", start), 0.85, +1) for start in ("batch norm", "skipinit", "fixup")),
        (("accuracy", "one over root n"), 0.6, +1),
        (("accuracy", "he"), 0.3, -1),
        (("growth", "he"), 1.4, +1),
        (("growth", "he"), 2.0, -1),
    ],
)
def test_each_bound_turns_the_verdict(path, bound, inside):
    require_edge(EXPERIMENT, NUMBERS, path, bound, inside)


@pytest.mark.parametrize("growth", [1 - 1e-12, 1 + 1e-12])
def test_skipinit_starts_exactly_at_the_identity(growth):
    assert EXPERIMENT.verdict([NUMBERS]).word == EXPERIMENT.expected
    assert EXPERIMENT.verdict([put(NUMBERS, ("growth", "skipinit"), growth)]).word == "FAILS"


def test_the_stream_at_the_start(monkeypatch):
    """By He's rule a branch has the mean square of its input, less what the borders lose: between 1 and 2 a block."""
    monkeypatch.setattr(without_norm, "DRAWS", 3)
    images = np.random.default_rng(0).standard_normal((16, 1, 8, 8), np.float32)
    found = {start: without_norm.growth(start, 1, images) for start in ("he", "one over root n", "skipinit", "fixup")}
    assert found["skipinit"] == found["fixup"] == 1
    assert 1.2 < found["he"] < 2.2
    assert found["one over root n"] == pytest.approx(1 + (found["he"] - 1) / 27, abs=0.1)


def test_each_branch_has_its_number():
    for start, value in (("one over root n", 27**-0.5), ("skipinit", 0), ("fixup", 1)):
        forks = [layer for _, layer in without_norm.network(start, 0).walk() if isinstance(layer, Residual)]
        gains = [layer.weight.data for fork in forks for _, layer in fork.branch.walk() if isinstance(layer, Gain)]
        assert len(forks) == len(gains) == without_norm.BLOCKS
        assert (np.array(gains) == np.float32(value)).all()


def test_the_condition_says_what_a_smaller_rate_does():
    assert (
        "at a fifth of it He's rule alone gets as far as a test accuracy of 0.81"
        in EXPERIMENT.verdict([NUMBERS, put(NUMBERS, ("accuracy", "he at a fifth"), 0.811)]).condition
    )


def test_the_picture_has_a_line_for_each_start():
    figure = new_figure()
    EXPERIMENT.draw([NUMBERS], figure)
    assert len(figure.axes[0].lines) == 6
