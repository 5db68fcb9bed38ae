"""The loss around networks: what the verdict turns on, and the directions."""

import numpy as np
import pytest
from experiments.edges import put, require_edge

from minires import models
from minires.data import Normalize
from minires.experiments import EXPERIMENTS, Lab, loss_landscape
from minires.files.picture import new_figure
from minires.losses import SoftmaxCrossEntropy

EXPERIMENT = EXPERIMENTS["loss_landscape"]
RAY = [abs(step) for step in loss_landscape.STEPS]
NUMBERS = {
    "losses": {name: [RAY, RAY] for name in loss_landscape.EPOCHS},
    "centre": {"resnet20": 0.0, "plain20": 0.1, "resnet56": 0.0, "plain56": 1.0},
    "at a quarter": {"resnet20": 0.1, "plain20": 0.4, "resnet56": 0.05, "plain56": 2.0},
    "width": {"resnet20": 0.8, "plain20": 0.6, "resnet56": 0.8, "plain56": 0.3},
}


@pytest.mark.parametrize(
    ("path", "bound", "inside"),
    [
        (("width", "resnet56"), 0.75 * 0.8, +1),
        (("width", "plain20"), 0.3 / 0.95, +1),
        (("width", "plain56"), 0.95 * 0.6, -1),
        (("width", "resnet20"), 0.8 / 0.75, -1),
        (("at a quarter", "resnet56"), 1.0 / 3, -1),
        (("at a quarter", "plain56"), 1.0 + 3 * 0.05, +1),
        (("centre", "plain56"), 2.0 - 3 * 0.05, -1),
    ],
)
def test_each_bound_turns_the_verdict(path, bound, inside):
    require_edge(EXPERIMENT, NUMBERS, path, bound, inside)


def test_the_bound_on_both_networks_of_56_layers():
    """It is the closer one where the plain network of 20 layers is as wide as a residual one."""
    require_edge(EXPERIMENT, put(NUMBERS, ("width", "plain20"), 0.8), ("width", "plain56"), 0.8 * 0.8, -1)


def test_the_loss_near_a_residual_network_is_low():
    steep = put(NUMBERS, ("at a quarter", "plain56"), 9.0)
    require_edge(EXPERIMENT, steep, ("at a quarter", "resnet56"), 0.5, -1)


def test_the_condition_says_how_far_the_training_came():
    assert loss_landscape.EPOCHS["plain56"] == 2 * loss_landscape.EPOCHS["plain20"]
    assert "after twice the epochs of the others its loss is 1 or more" in EXPERIMENT.verdict([NUMBERS]).condition


def test_a_direction_has_the_norm_of_each_filter():
    rng = np.random.default_rng(0)
    filters = {"conv": rng.standard_normal((4, 3, 3, 3)), "fc": rng.standard_normal((5, 7)), "zero": np.zeros((2, 3))}
    found = loss_landscape.direction(filters, rng)
    for path, weight in filters.items():
        rows = [array.reshape(len(array), -1) for array in (found[path], weight)]
        np.testing.assert_allclose(*(np.linalg.norm(row, axis=1) for row in rows), rtol=1e-12)
    assert np.abs(found["conv"] - filters["conv"]).min() > 0


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        ([9, 9, 1, 9, 9], 0.05),
        ([9, 1.4, 1, 1.2, 9], 0.15),
        ([1.4, 9, 1, 1.2, 1.3], 0.15),
        ([1.4, 1, 1, 1, 1], 0.25),
        ([np.nan, np.nan, 1, 1.5, 1.4], 0.05),
    ],
)
def test_the_width_is_that_of_the_piece_around_the_middle(losses, expected):
    assert loss_landscape.width(losses) == pytest.approx(expected)


def test_the_middle_of_a_ray_is_the_network_which_stays_as_it_was():
    lab, model = Lab(), models.build("digits_resnet8", rng=0)
    before = [t.data.copy() for _, t in model.tensors()]
    rays = loss_landscape.around(model, lab, 3, 2)
    assert all((t.data == old).all() for (_, t), old in zip(model.tensors(), before, strict=True))
    train = lab.digits[0].subset(np.arange(loss_landscape.IMAGES))
    x = Normalize.of(lab.digits[0])(train.images, np.float32)
    expected, _ = SoftmaxCrossEntropy().forward(model(x), train.labels)
    assert [ray[len(ray) // 2] for ray in rays] == pytest.approx(2 * [float(expected)], rel=1e-5)
    assert rays[0] != rays[1] and len(rays[0]) == len(loss_landscape.STEPS) == 21


def test_the_picture_has_a_line_for_each_network():
    figure = new_figure()
    EXPERIMENT.draw([NUMBERS], figure)
    assert len(figure.axes[0].lines) == 4
