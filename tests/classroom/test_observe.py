"""What a run of a layer shows: every output, what it leaves behind, and where it raised."""

import numpy as np
import pytest

from minires.classroom import FunctionLayer
from minires.classroom.observe import outputs, same
from minires.layers import BatchNorm2d, Linear


def run(layer, shape, train=True):
    rng = np.random.default_rng(0)
    layer = layer.to(dtype=np.float64)
    x = rng.standard_normal(shape)
    return layer, x, outputs(layer, x, rng.standard_normal(layer.forward(x)[0].shape), train)


def test_everything_that_a_right_layer_shows():
    layer, x, shown = run(BatchNorm2d(3), (4, 3, 2, 2))
    gradients = {"dx", "dgamma", "dbeta"}
    kept = {"keeps x", "keeps dy", "keeps parameters"}
    twice = {f"twice {name}" for name in gradients}
    assert shown.keys() == {"y", "running_mean", "running_var"} | gradients | twice | kept
    assert all(shown[name] == 1 for name in kept)
    for name in gradients:
        np.testing.assert_allclose(shown[f"twice {name}"], 2 * shown[name])
    np.testing.assert_allclose(shown["y"], layer.forward(x, True)[0])
    assert not layer.gamma.grad.any(), "the layer given is copied"


def test_running_statistics_are_those_after_one_forward():
    layer, x, shown = run(BatchNorm2d(3), (4, 3, 2, 2))
    np.testing.assert_allclose(shown["running_mean"], 0.1 * x.mean(axis=(0, 2, 3)))
    np.testing.assert_allclose(run(BatchNorm2d(3), (4, 3, 2, 2), False)[2]["running_mean"], 0)


def test_where_it_raises_the_line_of_the_student_is_named():
    def forward(x, weight, bias):
        return x @ weight.T + bias, x

    def backward(dy, cache):
        return dy @ np.zeros((7, 7))

    layer = FunctionLayer(forward, backward, like=Linear(5, 3, rng=0)).to(dtype=np.float64)
    shown = outputs(layer, np.ones((2, 5)), np.ones((2, 3)), True)
    line = backward.__code__.co_firstlineno + 1
    assert shown["raised"].startswith("ValueError: matmul: ") and shown["raised"].endswith(f" (line {line})")
    assert "y" in shown and "dx" not in shown


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (np.ones(3), np.ones(3) * (1 + 1e-9), True),
        (np.ones(3), np.ones(3) * (1 + 1e-6), False),
        (np.ones(3), np.ones(3, np.float32) * np.float32(1 + 1e-6), True),
        (np.ones(3), np.ones(3, np.float32) * np.float32(1.001), False),
        (np.zeros(3), np.full(3, 1e-15), True),
        (np.zeros(3), np.full(3, 1e-9), False),
        (np.ones(3), np.ones((1, 3)), False),
        (np.ones(3), np.array([1, 1, np.nan]), False),
        (np.array([np.inf, 1]), np.array([1, np.nan]), True),
        (np.ones(3), None, False),
        (np.ones(3), "list", False),
    ],
)
def test_agreement(a, b, expected):
    assert same(a, b) is expected and same(b, a) is expected
