"""Placements: what the verdict turns on."""

import pytest
from experiments.edges import put, require_edge

from minires.experiments import placements
from minires.files.picture import new_figure

EXPERIMENT = placements.EXPERIMENT
NUMBERS = {  # of seed 0, rounded
    "original": {"train_loss": [1.8, 0.5, 0.4, 0.02], "test_accuracy": [0.3, 0.981]},
    "bn_after_add": {"train_loss": [2.3, 2.1, 2.0, 1.66], "test_accuracy": [0.1, 0.361]},
    "relu_before_add": {"train_loss": [2.2, 1.3, 0.5, 0.03], "test_accuracy": [0.2, 0.989]},
    "relu_only_preact": {"train_loss": [1.6, 0.4, 0.2, 0.01], "test_accuracy": [0.4, 0.983]},
    "full_preact": {"train_loss": [2.4, 1.5, 0.4, 0.05], "test_accuracy": [0.1, 0.989]},
}
OTHERS = [name for name in placements.OPTIONS if name != "bn_after_add"]


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize(
    ("number", "place", "bound", "inside"),
    [
        ("train_loss", -1, 1.66 / 5, -1),
        ("train_loss", 1, 2.1, -1),
        ("train_loss", 2, 2.0, -1),
        ("test_accuracy", -1, 0.95, +1),
    ],
)
def test_each_bound_turns_the_verdict(name, number, place, bound, inside):
    require_edge(EXPERIMENT, NUMBERS, (name, number, place), bound, inside)


def test_the_first_epoch_does_not_count():
    assert EXPERIMENT.verdict([put(NUMBERS, ("full_preact", "train_loss", 0), 9.0)]).word == "HOLDS"


def test_the_picture_has_a_line_for_each_placement():
    figure = new_figure()
    EXPERIMENT.draw([NUMBERS], figure)
    assert [line.get_label() for line in figure.axes[0].lines] == list(placements.OPTIONS)
