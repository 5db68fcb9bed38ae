"""The theorem with independent masks: what the verdict turns on."""

import numpy as np
import pytest
from experiments.edges import require_edge

from minires.experiments import EXPERIMENTS, shattered_masks
from minires.files.picture import new_figure

EXPERIMENT = EXPERIMENTS["shattered_masks"]
NUMBERS = {"R": [0.4975, 0.2499, 0.0615]}


@pytest.mark.parametrize(("i", "depth"), [(0, 1), (1, 2), (2, 4)])
@pytest.mark.parametrize(("bound", "inside"), [(0.9, +1), (1.1, -1)])
def test_each_bound_turns_the_verdict(i, depth, bound, inside):
    require_edge(EXPERIMENT, NUMBERS, ("R", i), bound * 2.0**-depth, inside)


def test_masks_are_of_each_example():
    masks = shattered_masks.masks(np.random.default_rng(0))
    assert masks.shape == (shattered_masks.EXAMPLES, shattered_masks.WIDTH)
    assert abs(masks.mean() - 0.5) < 0.02 and len({row.tobytes() for row in masks}) == len(masks)


def test_without_masks_all_gradients_are_one(monkeypatch):
    monkeypatch.setattr(shattered_masks, "masks", lambda rng: 1.0)
    monkeypatch.setattr(shattered_masks, "WIDTH", 16)
    assert shattered_masks.correlations(np.random.default_rng(0)) == pytest.approx([1, 1, 1])


def test_the_picture_has_what_was_measured():
    figure = new_figure()
    EXPERIMENT.draw([NUMBERS], figure)
    assert list(figure.axes[0].lines[0].get_ydata()) == NUMBERS["R"]
