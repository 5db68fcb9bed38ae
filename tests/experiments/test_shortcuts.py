"""Shortcuts: what the verdict turns on."""

import pytest
from experiments.edges import put, require_edge

from minires.experiments import shortcuts
from minires.files.picture import new_figure

EXPERIMENT = shortcuts.EXPERIMENT
ACCURACY = dict.fromkeys(shortcuts.OPTIONS, 0.98) | dict.fromkeys(shortcuts.HAMPERED, 0.4) | {"conv1x1": 0.9}
NUMBERS = {name: {"train_loss": [2.3, 0.1], "test_accuracy": [0.1, value]} for name, value in ACCURACY.items()}


@pytest.mark.parametrize(
    ("name", "bound", "inside"),
    [
        ("identity", 0.96, +1),
        ("conv1x1", 1.0, -1),
        *((name, 0.6, -1) for name in shortcuts.HAMPERED),
        *((name, 0.9, +1) for name in shortcuts.NEARLY),
    ],
)
def test_each_bound_turns_the_verdict(name, bound, inside):
    require_edge(EXPERIMENT, NUMBERS, (name, "test_accuracy", -1), bound, inside)


def test_a_training_that_diverged_classifies_nothing():
    broken = {"train_loss": [], "test_accuracy": []}
    assert EXPERIMENT.verdict([put(NUMBERS, ("dropout",), broken)]).word == "HOLDS"
    assert EXPERIMENT.verdict([put(NUMBERS, ("identity",), broken)]).word == "FAILS"


def test_the_picture_has_a_point_for_each_seed_and_shortcut():
    figure = new_figure()
    EXPERIMENT.draw([NUMBERS, NUMBERS], figure)
    assert [len(line.get_xdata()) for line in figure.axes[0].lines] == 2 * [len(shortcuts.OPTIONS)]
