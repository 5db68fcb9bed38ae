"""Losses against loops over numbers and PyTorch; extreme logits; the loss as a layer."""

import math

import numpy as np
import pytest
from conftest import to_xp
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from oracles import assert_close, jacobian
from oracles.pytorch import torch
from oracles.scalar_maths import cross_entropy, squared_error
from strategies import cross_entropy as cross_entropy_case

from minires.backend import to_numpy
from minires.losses import MeanSquaredError, Objective, SoftmaxCrossEntropy

seeds = st.integers(0, 2**32 - 1)


def logits_and_labels(n, k, seed):
    rng = np.random.default_rng(seed)
    return rng.normal(scale=3, size=(n, k)), rng.integers(0, k, size=n)


def loss_and_gradient(loss, outputs, targets):
    value, cache = loss.forward(outputs, targets)
    return np.asarray(value), loss.backward(cache)


@st.composite
def cross_entropies(draw):
    """(loss, logits, labels)."""
    n, k = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    rng = np.random.default_rng(draw(seeds))
    loss, labels = cross_entropy_case(draw, n, k, rng)
    return loss, rng.normal(scale=3, size=(n, k)), labels


def counted(loss, labels):
    return labels.ndim == 2 or (labels != loss.ignore_index).any()


@given(cross_entropies())
@settings(max_examples=200)
def test_cross_entropy_equals_the_loops(case):
    loss, logits, labels = case
    assume(counted(loss, labels))
    value, gradient = loss_and_gradient(loss, logits, labels)
    expected, dlogits = cross_entropy(logits, labels, loss.label_smoothing, loss.weight, loss.ignore_index)
    assert_close(value, np.asarray(expected))
    assert_close(gradient, dlogits)


@given(cross_entropies())
@settings(max_examples=200)
def test_cross_entropy_equals_pytorch(case):
    loss, logits, labels = case
    assume(counted(loss, labels))
    z = torch.tensor(logits, requires_grad=True)
    expected = torch.nn.functional.cross_entropy(
        z,
        torch.tensor(labels),
        weight=None if loss.weight is None else torch.tensor(loss.weight),
        ignore_index=-(10**6) if loss.ignore_index is None or labels.ndim == 2 else loss.ignore_index,
        label_smoothing=loss.label_smoothing,
    )
    expected.backward()
    value, gradient = loss_and_gradient(loss, logits, labels)
    assert_close(value, expected.detach().numpy())
    assert_close(gradient, z.grad.numpy())


@given(st.lists(st.integers(1, 4), min_size=1, max_size=3), seeds)
@settings(max_examples=50)
def test_squared_error_equals_the_loops(shape, seed):
    outputs, targets = np.random.default_rng(seed).normal(size=(2, *shape))
    loss, gradient = loss_and_gradient(MeanSquaredError(), outputs, targets)
    expected, expected_gradient = squared_error(outputs, targets)
    assert_close(loss, np.asarray(expected))
    assert_close(gradient, expected_gradient)


@given(st.lists(st.integers(1, 4), min_size=1, max_size=3), seeds)
@settings(max_examples=50)
def test_squared_error_equals_pytorch(shape, seed):
    outputs, targets = np.random.default_rng(seed).normal(size=(2, *shape))
    _, gradient = loss_and_gradient(MeanSquaredError(), outputs, targets)
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


INF = math.inf
EXTREMES = {  # logits, label, settings, the loss
    "another class at -inf": ([-INF, 0, 1], 1, {}, 1.3132616),
    "the right class at -inf": ([-INF, 0, 1], 0, {}, INF),
    "a class at -inf, with smoothing": ([-INF, 0, 1], 1, {"label_smoothing": 0.1}, INF),
    "a class at -inf, without weight": ([-INF, 0, 1], 1, {"label_smoothing": 0.1, "weight": [0, 1, 1]}, 1.2361529),
    "further apart than the largest number": ([2e38, -2e38], 0, {}, 0),
    "further apart, and wrong": ([2e38, -2e38], 1, {}, INF),
    "one class alone": ([-INF, 3, -INF], 1, {}, 0),
    "a row left out, at -inf": ([-INF, 0, 1], -100, {"ignore_index": -100}, 0),
}


@pytest.mark.parametrize("logits, label, settings, expected", EXTREMES.values(), ids=EXTREMES)
def test_extremes_have_the_loss_of_the_sum(logits, label, settings, expected, xp):
    z, labels = to_xp(xp, np.array([logits], np.float32)), to_xp(xp, np.array([label]))
    value, cache = SoftmaxCrossEntropy(**settings).forward(z, labels)
    assert float(to_numpy(value)) == pytest.approx(expected, rel=1e-6)
    assert np.isfinite(to_numpy(SoftmaxCrossEntropy(**settings).backward(cache))).all()


NOTHING_COUNTS = [{"ignore_index": 2}, {"ignore_index": 2, "weight": [1, 2, 3]}, {"weight": [1, 1, 0]}]


@pytest.mark.parametrize("settings", NOTHING_COUNTS)
def test_where_no_row_counts_loss_and_gradient_are_zero(settings, xp):
    z, labels = to_xp(xp, np.random.default_rng(0).normal(size=(4, 3))), to_xp(xp, np.full(4, 2))
    loss = SoftmaxCrossEntropy(0.0, **settings)
    value, cache = loss.forward(z, labels)
    assert float(to_numpy(value)) == 0 and not to_numpy(loss.backward(cache)).any()


def test_targets_that_are_one_hot_are_the_labels():
    logits, labels = logits_and_labels(6, 5, 0)
    for weight in (None, np.ones(5)):
        loss = SoftmaxCrossEntropy(0.1, weight)
        found = loss_and_gradient(loss, logits, np.eye(5, dtype=np.float32)[labels])
        expected = loss_and_gradient(loss, logits, labels)
        assert_close(found[0], expected[0])
        assert_close(found[1], expected[1])


def test_targets_may_be_larger_than_the_number_of_classes():
    logits, _ = logits_and_labels(6, 5, 0)
    targets = 20 * np.random.default_rng(1).random((6, 5))
    value, gradient = loss_and_gradient(SoftmaxCrossEntropy(), logits, targets)
    log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    assert_close(value, -(targets * log_p).sum() / 6)
    assert_close(gradient, (np.exp(log_p) * targets.sum(axis=1, keepdims=True) - targets) / 6)


def test_rows_left_out_are_as_if_they_were_not_there():
    logits, labels = logits_and_labels(8, 5, 0)
    keep = np.arange(8) % 3 > 0
    loss = SoftmaxCrossEntropy(0.1, [1, 2, 3, 4, 5], ignore_index=255)
    value, gradient = loss_and_gradient(loss, logits, np.where(keep, labels, 255).astype(np.uint8))
    expected, dlogits = loss_and_gradient(loss, logits[keep], labels[keep])
    assert_close(value, expected)
    assert_close(gradient[keep], dlogits)
    assert not gradient[~keep].any()


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


@pytest.mark.parametrize("weight", [None, np.arange(1.0, 6)])
def test_float32_stays_float32_whatever_the_type_of_the_setting(weight):
    logits, labels = logits_and_labels(6, 5, 0)
    loss = SoftmaxCrossEntropy(np.float64(0.1), weight, np.int64(-1))
    assert type(loss.label_smoothing) is float and type(loss.ignore_index) is int
    loss, gradient = loss_and_gradient(loss, logits.astype(np.float32), labels)
    expected, expected_gradient = loss_and_gradient(SoftmaxCrossEntropy(0.1, weight), logits, labels)
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


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, 4),
        ({"weight": [1.0, 2.0, 4.0]}, 1 + 4 + 4 + 2),
        ({"ignore_index": 2}, 2),
        ({"ignore_index": -7, "weight": [1.0, 2.0, 4.0]}, 1 + 4 + 4 + 2),
        ({"ignore_index": 2, "weight": [1.0, 2.0, 4.0]}, 1 + 2),
        ({"ignore_index": 1, "weight": [0.0, 2.0, 0.0]}, 0),
    ],
)
def test_total_is_what_the_sum_is_divided_by(settings, expected, xp):
    labels, logits = np.array([0, 2, 2, 1]), np.random.default_rng(0).normal(size=(4, 3))
    loss = SoftmaxCrossEntropy(**settings)
    assert float(loss.total(to_xp(xp, labels))) == expected
    assert loss.total(to_xp(xp, np.eye(3)[labels])) == 4
    one_class = SoftmaxCrossEntropy(weight=[3.0], ignore_index=7)
    assert float(one_class.total(to_xp(xp, np.array([0, 7, 0])))) == 6
    value, _ = loss.forward(to_xp(xp, logits), to_xp(xp, labels))
    rows = [SoftmaxCrossEntropy().forward(logits[n : n + 1], labels[n : n + 1])[0] for n in range(4)]
    counts = [label != settings.get("ignore_index") for label in labels]
    weights = [settings.get("weight", [1, 1, 1])[label] for label in labels]
    assert float(value) * expected == pytest.approx(sum(r * c * w for r, c, w in zip(rows, counts, weights)))
