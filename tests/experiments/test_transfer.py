"""Transfer: what the verdict turns on, and the linear classifier against least squares."""

import numpy as np
import pytest
from experiments.edges import EPS, put

from minires.experiments import transfer
from minires.files.picture import new_figure

EXPERIMENT = transfer.EXPERIMENT
SET = {"trained": [0.6, 0.7, 0.8, 0.9], "untrained": [0.3, 0.4, 0.5, 0.6]}
NUMBERS = {name: {kind: list(curve) for kind, curve in SET.items()} for name in transfer.FULL}


@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("name", transfer.LEAST)
def test_each_bound_turns_the_verdict(name, place):
    bound = SET["untrained"][place] + transfer.LEAST[name]
    for value, word in ((bound + EPS, "HOLDS"), (bound - EPS, "FAILS")):
        changed = put(NUMBERS, (name, "trained", place), value)
        assert EXPERIMENT.verdict([changed]).word == word
        assert EXPERIMENT.verdict([NUMBERS, changed]).word == word


def test_a_task_that_does_not_gain_is_the_condition():
    verdict = EXPERIMENT.verdict([put(NUMBERS, ("digits", "trained", 2), 0.38)])
    assert verdict.word == "HOLDS WITH A CONDITION"
    assert "on the digits that come along" in verdict.condition


def test_the_quick_version_has_no_mnist():
    quick = {name: SET for name in transfer.QUICK}
    assert EXPERIMENT.verdict([quick]).word == "HOLDS"
    assert "mnist with" not in EXPERIMENT.verdict([quick]).criterion.replace("fashion_mnist_12k", "")


def test_images_are_enlarged_about_their_middle():
    images = np.random.default_rng(0).integers(1, 256, (2, 1, 8, 8), np.uint8)
    large = transfer.enlarged(images)
    assert large.shape == (2, 3, 32, 32)
    assert (large[:, :, 2::4, 1::4] == images).all()
    clothes = transfer.enlarged(images.repeat(4, axis=2)[:, :, :28].repeat(4, axis=3)[:, :, :, :28])
    assert clothes.shape == (2, 3, 32, 32)
    assert (clothes[:, :, [0, 1, 30, 31]] == 0).all()
    assert (clothes[:, :, 2:30, 2:30] > 0).all()


def test_the_probe_is_ridge_regression():
    """Its gradient is zero at the weights: x^T (x w - y) + ridge w, from the definition by another way, lstsq."""
    rng = np.random.default_rng(0)
    x, labels = rng.standard_normal((40, 5)), rng.integers(0, 10, 40)
    test_x, test_labels = rng.standard_normal((200, 5)), rng.integers(0, 10, 200)
    z, test_z = ((part - x.mean(0)) / (x.std(0) + 1e-6) for part in (x, test_x))
    z, test_z = (np.c_[part, np.ones(len(part))] for part in (z, test_z))
    stacked = np.r_[z, np.sqrt(transfer.RIDGE) * np.eye(6)]
    weight = np.linalg.lstsq(stacked, np.r_[np.eye(10)[labels], np.zeros((6, 10))], rcond=None)[0]
    expected = ((test_z @ weight).argmax(1) == test_labels).mean()
    assert transfer.probe(x, labels, test_x, test_labels) == expected


def test_the_picture_has_a_panel_for_each_set():
    figure = new_figure()
    EXPERIMENT.draw([NUMBERS], figure)
    assert [len(axes.lines) for axes in figure.axes] == [2, 2, 2]
