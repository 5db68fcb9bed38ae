"""Degradation: what the verdict turns on, and the version on CIFAR-10 in small."""

import math

import numpy as np
import pytest
from experiments.edges import require_edge

from minires.data import Dataset
from minires.errors import DataFileError
from minires.experiments import EXPERIMENTS, Lab, degradation
from minires.files.picture import new_figure

EXPERIMENT = EXPERIMENTS["degradation"]
FINAL = {  # training loss, training and test accuracy after the last epoch, as measured with seed 0
    "digits": {
        "plain8": (0.02, 0.99, 0.98),
        "resnet8": (0.02, 0.99, 0.98),
        "plain20": (0.105, 0.98, 0.978),
        "resnet20": (0.01, 0.99, 0.98),
        "plain56": (1.44, 0.434, 0.408),
        "resnet56": (0.003, 0.999, 0.994),
    }
}
FINAL["cifar10"] = {name: FINAL["digits"][name] for name in ("plain20", "resnet20", "plain56", "resnet56")}


def measured(data):
    nets = FINAL[data].items()
    return {data: {name: {key: [1.0, value] for key, value in zip(degradation.CURVES, final)} for name, final in nets}}


@pytest.mark.parametrize(
    ("data", "network", "number", "bound", "inside"),
    [
        ("digits", "plain56", "train_loss", 3 * 0.105, +1),
        ("digits", "resnet56", "train_loss", 0.105, -1),
        ("digits", "plain56", "test_accuracy", 0.994 - 0.4, -1),
        ("digits", "plain56", "train_accuracy", 0.98 - 0.3, -1),
        ("cifar10", "plain56", "train_loss", 1.25 * 0.105, +1),
        ("cifar10", "resnet56", "train_loss", 0.105, -1),
        ("cifar10", "plain56", "test_accuracy", 0.994 - 0.1, -1),
        ("cifar10", "plain56", "train_accuracy", 0.98 - 0.1, -1),
    ],
)
def test_each_bound_turns_the_verdict(data, network, number, bound, inside):
    require_edge(EXPERIMENT, measured(data), (data, network, number, -1), bound, inside)


def test_a_training_that_diverged_fails():
    broken = measured("digits")
    broken["digits"]["plain20"] = degradation.curves([], 2)
    assert all(map(math.isnan, broken["digits"]["plain20"]["train_loss"]))
    assert EXPERIMENT.verdict([broken]).word == "FAILS"


@pytest.mark.parametrize("data", FINAL)
def test_the_picture_shows_every_network(data):
    figure = new_figure()
    EXPERIMENT.draw([measured(data)], figure)
    assert [len(axes.lines) for axes in figure.axes] == 3 * [len(FINAL[data])]


def some(name, split, data_dir):
    rng = np.random.default_rng(len(split))
    images = rng.integers(0, 256, (128, 3, 8, 8), np.uint8)
    return Dataset(name, images, rng.integers(0, 10, 128), tuple("0123456789"))


def test_the_full_version_goes_on_where_it_was_interrupted(monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(degradation, "load", lambda *where: asked.append(where) or some(*where))
    monkeypatch.setattr(degradation, "FULL", (8,))
    monkeypatch.setitem(degradation.EPOCHS, "cifar10", 3)
    said = []
    lab = Lab(progress=said.append, data_dir="here", parts=tmp_path)
    first = EXPERIMENT.measure(0, False, lab)
    assert list(first) == ["cifar10"]
    assert [len(curve) for net in first["cifar10"].values() for curve in net.values()] == 6 * [3]
    assert set(asked) == {("cifar10", "train", "here"), ("cifar10", "test", "here")}
    assert said[0].startswith("plain8 epoch 1 of 3, training loss 2.")
    (tmp_path / "degradation-0-resnet8.json").unlink()
    said.clear()
    assert EXPERIMENT.measure(0, False, lab) == first
    assert {words.split()[0] for words in said} == {"resnet8"}, "plain8 is not trained again"


def test_the_full_version_says_that_it_needs_a_folder():
    with pytest.raises(DataFileError, match="data_dir is None"):
        EXPERIMENT.measure(0, False, Lab())
