"""Gradients of batches: what the verdict turns on, and their cosines by hand."""

import numpy as np
import pytest
from experiments.edges import require_edge

from minires.experiments import EXPERIMENTS, gradient_confusion
from minires.files.picture import new_figure
from minires.layers import Linear, Sequential
from minires.losses import SoftmaxCrossEntropy

EXPERIMENT = EXPERIMENTS["gradient_confusion"]
NUMBERS = {"plain": [0.04, 0.013], "resnet": [0.17, 0.07], "full pre-activation": [0.27, 0.2]}


@pytest.mark.parametrize(
    ("name", "i", "bound", "inside"),
    [
        ("plain", 0, 0.1, -1),
        ("plain", 1, 0.05, -1),
        ("resnet", 0, 0.07, +1),
        ("full pre-activation", 0, 0.15, +1),
        ("full pre-activation", 1, 0.08, +1),
    ],
)
def test_each_bound_turns_the_verdict(name, i, bound, inside):
    require_edge(EXPERIMENT, NUMBERS, (name, i), bound, inside)


def test_cosines_by_hand(monkeypatch):
    monkeypatch.setattr(gradient_confusion, "BATCH", 5)
    monkeypatch.setattr(gradient_confusion, "BATCHES", 3)
    rng = np.random.default_rng(0)
    model = Sequential(Linear(4, 3, rng=rng)).to(dtype="float64")
    x, labels = rng.standard_normal((15, 4)), rng.integers(0, 3, 15)
    y = np.exp(model(x))
    wrong = (y / y.sum(axis=1, keepdims=True) - np.eye(3)[labels]).reshape(3, 5, 3)
    grads = np.einsum("bnm,bnd->bmd", wrong, x.reshape(3, 5, 4)).reshape(3, 12)
    expected = [
        grads[i] @ grads[j] / np.linalg.norm(grads[i]) / np.linalg.norm(grads[j]) for i, j in ((0, 1), (0, 2), (1, 2))
    ]
    assert gradient_confusion.cosines(model, x, labels) == pytest.approx(expected, rel=1e-12)
    first = gradient_confusion.gradient(model, x[:5], labels[:5], SoftmaxCrossEntropy())
    assert first == pytest.approx(grads[0] / 5, rel=1e-12), "weights alone, of this batch alone"


def test_the_condition_says_what_depth_does():
    assert "by 0.17 at resnet20 and 0.07 at resnet56" in EXPERIMENT.verdict([NUMBERS]).condition


def test_the_picture_has_a_line_for_each_network():
    figure = new_figure()
    EXPERIMENT.draw([NUMBERS], figure)
    assert len(figure.axes[0].lines) == 3
