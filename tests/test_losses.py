"""Losses against loops over numbers and PyTorch; extreme logits; the loss as a layer."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import assert_close, jacobian
from oracles.scalar_maths import cross_entropy, squared_error

from minires.losses import MeanSquaredError, Objective, SoftmaxCrossEntropy

smoothings = st.sampled_from([0.0, 0.1, 0.5, 0.9])
seeds = st.integers(0, 2**32 - 1)


def logits_and_labels(n, k, seed):
    rng = np.random.default_rng(seed)
    return rng.normal(scale=3, size=(n, k)), rng.integers(0, k, size=n)


def loss_and_gradient(loss, outputs, targets):
    value, cache = loss.forward(outputs, targets)
    return np.asarray(value), loss.backward(cache)


@given(st.integers(1, 6), st.integers(1, 6), smoothings, seeds)
@settings(max_examples=100)
def test_cross_entropy_equals_the_loops(n, k, smoothing, seed):
    logits, labels = logits_and_labels(n, k, seed)
    loss, gradient = loss_and_gradient(SoftmaxCrossEntropy(smoothing), logits, labels)
    expected, expected_gradient = cross_entropy(logits, labels, smoothing)
    assert_close(loss, np.asarray(expected))
    assert_close(gradient, expected_gradient)


@given(st.integers(1, 6), st.integers(1, 6), smoothings, seeds)
@settings(max_examples=50)
def test_cross_entropy_equals_pytorch(n, k, smoothing, seed):
    torch = pytest.importorskip("oracles.torch_answers").torch
    logits, labels = logits_and_labels(n, k, seed)
    z = torch.tensor(logits, requires_grad=True)
    expected = torch.nn.functional.cross_entropy(z, torch.tensor(labels), label_smoothing=smoothing)
    expected.backward()
    loss, gradient = loss_and_gradient(SoftmaxCrossEntropy(smoothing), logits, labels)
    assert_close(loss, expected.detach().numpy())
    assert_close(gradient, z.grad.numpy())


@given(st.lists(st.integers(1, 4), min_size=1, max_size=3), seeds)
@settings(max_examples=50)
def test_squared_error_equals_the_loops_and_pytorch(shape, seed):
    outputs, targets = np.random.default_rng(seed).normal(size=(2, *shape))
    loss, gradient = loss_and_gradient(MeanSquaredError(), outputs, targets)
    expected, expected_gradient = squared_error(outputs, targets)
    assert_close(loss, np.asarray(expected))
    assert_close(gradient, expected_gradient)
    torch = pytest.importorskip("oracles.torch_answers").torch
    z = torch.tensor(outputs, requires_grad=True)
    torch.nn.functional.mse_loss(z, torch.tensor(targets)).backward()
    assert_close(gradient, z.grad.numpy())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_extreme_logits_neither_overflow_nor_warn(dtype):
    logits = np.array([[1e4, -1e4, 0], [-1e4, 1e4, 0]], dtype)
    loss, gradient = loss_and_gradient(SoftmaxCrossEntropy(), logits, np.array([0, 0]))
    assert loss == 1e4  # a right answer costs 0, a wrong one 2e4
    assert gradient.tolist() == [[0, 0, 0], [-0.5, 0.5, 0]]
    assert loss.dtype == gradient.dtype == dtype


def test_uniform_logits_cost_log_k():
    loss, gradient = loss_and_gradient(SoftmaxCrossEntropy(), np.zeros((4, 10)), np.arange(4))
    assert loss == pytest.approx(math.log(10), rel=1e-15)
    assert_close(gradient.sum(axis=1), np.zeros(4))


def test_shifting_the_logits_changes_nothing():
    logits, labels = logits_and_labels(4, 5, 0)
    a, b = (loss_and_gradient(SoftmaxCrossEntropy(0.1), z, labels) for z in (logits, logits + 100))
    assert_close(b[0], a[0])
    assert_close(b[1], a[1])


@pytest.mark.parametrize("dtype", [np.int8, np.int64, np.uint8, ">i4"])
def test_labels_of_any_integer_type(dtype):
    logits, labels = logits_and_labels(6, 5, 0)
    expected = loss_and_gradient(SoftmaxCrossEntropy(0.1), logits, labels)
    found = loss_and_gradient(SoftmaxCrossEntropy(0.1), logits, labels.astype(dtype))
    assert found[0] == expected[0] and np.array_equal(found[1], expected[1])


def test_float32_stays_float32_whatever_the_type_of_the_setting():
    logits, labels = logits_and_labels(6, 5, 0)
    loss, gradient = loss_and_gradient(SoftmaxCrossEntropy(np.float64(0.1)), logits.astype(np.float32), labels)
    expected, expected_gradient = loss_and_gradient(SoftmaxCrossEntropy(0.1), logits, labels)
    assert loss.dtype == gradient.dtype == np.float32
    assert_close(loss, expected, 1e-6)
    assert_close(gradient, expected_gradient, 1e-6)


def test_gradient_vanishes_at_the_target():
    targets = np.random.default_rng(0).normal(size=(3, 4))
    assert not loss_and_gradient(MeanSquaredError(), targets, targets)[1].any()


@pytest.mark.parametrize(
    "loss, targets", [(SoftmaxCrossEntropy(0.1), np.array([1, 0, 3])), (MeanSquaredError(), np.ones((3, 4)))]
)
def test_objective_is_the_loss_times_dy(loss, targets):
    x = np.random.default_rng(0).normal(size=(3, 4))
    layer = Objective(loss, targets)
    y, cache = layer.forward(x)
    assert np.shape(y) == () and y == loss.forward(x, targets)[0]
    dx = layer.backward(np.float64(-2.5), cache)
    assert_close(dx, -2.5 * jacobian(lambda z: np.asarray(layer.forward(z)[0]), x).reshape(x.shape))
