"""Gradients by depth: what the verdict turns on, and the networks that are measured."""

import math

import numpy as np
import pytest
from experiments.edges import require_edge

from minires.experiments import EXPERIMENTS, gradients_by_depth
from minires.experiments.gradients_by_depth import NETS, WITHOUT, network
from minires.files.picture import new_figure
from minires.layers import BatchNorm2d, Conv2d

EXPERIMENT = EXPERIMENTS["gradients_by_depth"]
RATIOS = {"plain20": 9.0, "plain56": 1724.0, "resnet56": 9.2, "resnet56, full pre-activation": 18.0}
RATIOS |= {name + WITHOUT: 3.2 for name in RATIOS}
NUMBERS = {"norms": {name: [ratio, 3.0, 1.0] for name, ratio in RATIOS.items()}, "first over last": RATIOS}


@pytest.mark.parametrize(
    ("name", "bound", "inside"),
    [
        *((name, 1, +1) for name in ("resnet56", "resnet56, full pre-activation")),
        *((name, 50, -1) for name in ("resnet56", "resnet56, full pre-activation")),
        ("plain56", 100, +1),
    ],
)
def test_each_bound_turns_the_verdict(name, bound, inside):
    require_edge(EXPERIMENT, NUMBERS, ("first over last", name), bound, inside)


@pytest.mark.parametrize("name", NETS)
def test_without_batch_norm_it_is_the_same_network(name):
    whole, bare = network(name, 3), network(name + WITHOUT, 3)
    kept = {
        path: p.data for path, p in whole.params() if not isinstance(whole.at(path.rpartition(".")[0]), BatchNorm2d)
    }
    found = {path: p.data for path, p in bare.params()}
    assert kept.keys() == found.keys() and all((kept[path] == found[path]).all() for path in kept)
    assert any(isinstance(layer, BatchNorm2d) for _, layer in whole.walk())


def test_norms_are_those_of_the_gradients_of_the_convolutions():
    model = network("plain20", 0)
    rng = np.random.default_rng(0)
    images, labels = rng.standard_normal((4, 1, 8, 8)).astype(np.float32), np.arange(4)
    found = gradients_by_depth.norms(model, images, labels)
    y, cache = model.forward(images, train=True)
    p = np.exp(y - y.max(axis=1, keepdims=True))
    model.backward(((p / p.sum(axis=1, keepdims=True) - np.eye(10)[labels]) / 4).astype(np.float32), cache)
    grads = [layer.weight.grad for _, layer in model.walk() if isinstance(layer, Conv2d)]
    assert found == pytest.approx([math.sqrt(np.square(grad, dtype=np.float64).sum()) for grad in grads], rel=1e-4)
    assert len(found) == 19


def test_the_condition_says_what_plain_networks_do():
    condition = EXPERIMENT.verdict([NUMBERS]).condition
    assert "is 1724 times that of the last, in plain20 9 times, and without batch norm 3.2 times" in condition


def test_the_picture_has_a_line_for_each_network():
    figure = new_figure()
    EXPERIMENT.draw([NUMBERS, NUMBERS], figure)
    assert [len(axes.lines) for axes in figure.axes] == [len(NETS), len(NETS)]
