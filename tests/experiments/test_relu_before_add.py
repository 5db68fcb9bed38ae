"""ReLU in front of the addition: what the verdict turns on, and what the blocks add."""

import numpy as np
import pytest
from experiments.edges import require_edge

from minires import models
from minires.experiments import relu_before_add
from minires.files.picture import new_figure

EXPERIMENT = relu_before_add.EXPERIMENT
NUMBERS = {  # of seed 0, rounded
    "accuracy": {"original": 0.981, "as built": 0.761, "normalised": 0.989},
    "means": [3.1, 3.9, 2.8],
    "least": 0.0,
}


@pytest.mark.parametrize(
    ("path", "bound", "inside"),
    [(("least",), 0, +1), (("accuracy", "as built"), 0.981 - 0.1, -1), (("accuracy", "normalised"), 0.95, +1)],
)
def test_each_bound_turns_the_verdict(path, bound, inside):
    require_edge(EXPERIMENT, NUMBERS, path, bound, inside)


def test_the_condition_says_what_the_tail_brings():
    other = NUMBERS | {"accuracy": {"original": 0.99, "as built": 0.35, "normalised": 0.992}}
    condition = EXPERIMENT.verdict([NUMBERS, other]).condition
    assert "reaches 0.35 to 0.76" in condition
    assert "0.99 to 0.99" in condition


@pytest.mark.parametrize(("block", "never"), [("relu_before_add", True), ("full_preact", False)])
def test_what_blocks_add_to_the_signal(block, never):
    x = np.random.default_rng(0).standard_normal((8, 1, 8, 8), np.float32)
    model = models.build("digits_resnet20", block=block, rng=0)
    found = relu_before_add.signals(model, x)
    assert (found["least"] >= 0) is never
    assert len(found["means"]) == 9
    signal = model.at("stem")(x)
    for block in [model.at(f"stage{stage}.{number}") for stage in (1, 2, 3) for number in range(3)]:
        signal = block(signal)
    assert found["means"][-1] == pytest.approx(signal.mean(), rel=1e-5)


def test_the_picture_shows_signal_and_accuracy():
    figure = new_figure()
    EXPERIMENT.draw([NUMBERS, NUMBERS], figure)
    assert [len(axes.lines) for axes in figure.axes] == [2, 3]
