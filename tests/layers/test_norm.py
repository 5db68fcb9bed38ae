"""Batch and group normalisation against explicit Jacobians and PyTorch, and the identities they obey."""

import numpy as np
import pytest
from conftest import np_of
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import assert_close, assert_same, randomise, run, upstream, torch_answers
from oracles import norm_loops
from oracles.pytorch import F
from strategies import batch_norm, group_norm, layer_norm, seeds

from minires.errors import DTypeError, RangeError, ShapeError
from minires.layers import BatchNorm1d, BatchNorm2d, GroupNorm, LayerNorm

any_batch_norm = batch_norm(BatchNorm1d) | batch_norm(BatchNorm2d)


def values(layer):
    return {name: tensor.data.copy() for name, tensor in layer.tensors()}


@given(any_batch_norm, seeds)
@settings(max_examples=100)
def test_batch_norm_in_training_equals_the_naive_loops(case, seed):
    layer, x = case
    dy = upstream(layer, x, np.random.default_rng(seed), train=True)
    expected = norm_loops.batch_norm_train(x, dy, **values(layer), momentum=layer.momentum, eps=layer.eps)
    assert_same(run(layer, x, dy, train=True), expected)


@given(any_batch_norm, seeds)
@settings(max_examples=100)
def test_batch_norm_in_evaluation_equals_the_naive_loops(case, seed):
    layer, x = case
    dy = upstream(layer, x, np.random.default_rng(seed))
    assert_same(run(layer, x, dy), norm_loops.batch_norm_eval(x, dy, **values(layer), eps=layer.eps))


@given(group_norm(), seeds)
@settings(max_examples=100)
def test_group_norm_equals_the_naive_loops(case, seed):
    layer, x = case
    dy = upstream(layer, x, np.random.default_rng(seed))
    expected = norm_loops.group_norm(x, dy, **values(layer), groups=layer.groups, eps=layer.eps)
    assert_same(run(layer, x, dy, train=False), expected)
    assert_same(run(layer, x, dy, train=True), expected)


@given(any_batch_norm, seeds, st.booleans())
@settings(max_examples=100)
def test_batch_norm_equals_pytorch(case, seed, train):
    torch = torch_answers.torch
    layer, x = case
    dy = upstream(layer, x, np.random.default_rng(seed), train)
    running = {name: torch.tensor(values(layer)[name]) for name in ("running_mean", "running_var")}

    def reference(x, gamma, beta):
        return torch.nn.functional.batch_norm(
            x, *running.values(), gamma, beta, training=train, momentum=layer.momentum, eps=layer.eps
        )

    expected = torch_answers.torch_run(reference, x, dy, gamma=layer.gamma.data, beta=layer.beta.data)
    expected |= {name: value.numpy() for name, value in running.items()}
    assert_same(run(layer, x, dy, train), expected)


@given(group_norm(), seeds)
@settings(max_examples=100)
def test_group_norm_equals_pytorch(case, seed):
    layer, x = case
    dy = upstream(layer, x, np.random.default_rng(seed))

    def reference(x, gamma, beta):
        return torch_answers.torch.nn.functional.group_norm(x, layer.groups, gamma, beta, layer.eps)

    assert_same(run(layer, x, dy), torch_answers.torch_run(reference, x, dy, **values(layer)))


@given(layer_norm(), seeds)
@settings(max_examples=100)
def test_layer_norm_equals_the_naive_loops(case, seed):
    layer, x = case
    dy = upstream(layer, x, np.random.default_rng(seed))
    expected = norm_loops.layer_norm(x, dy, **values(layer), eps=layer.eps)
    assert_same(run(layer, x, dy, train=False), expected)
    assert_same(run(layer, x, dy, train=True), expected)


@given(layer_norm(), seeds)
@settings(max_examples=100)
def test_layer_norm_equals_pytorch(case, seed):
    layer, x = case
    dy = upstream(layer, x, np.random.default_rng(seed))

    def reference(x, gamma, beta):
        return F.layer_norm(x, layer.shape, gamma, beta, layer.eps)

    assert_same(run(layer, x, dy), torch_answers.torch_run(reference, x, dy, **values(layer)))


def test_layer_norm_of_images_is_group_norm_of_one_group():
    x, dy = np.random.default_rng(0).normal(1, 2, size=(2, 2, 6, 4, 5))
    found = run(LayerNorm((6, 4, 5)).to(dtype=np.float64), x, dy)
    expected = run(GroupNorm(1, 6).to(dtype=np.float64), x, dy)
    assert_same({name: found[name] for name in ("y", "dx")}, {name: expected[name] for name in ("y", "dx")})
    assert_close(found["gamma"].sum(axis=(1, 2)), expected["gamma"])
    assert_close(found["beta"].sum(axis=(1, 2)), expected["beta"])


@pytest.mark.parametrize("shape", [(5, 3), (3, 4), (4,), (2, 4, 4)])
def test_layer_norm_wants_its_last_axes(shape):
    with pytest.raises(ShapeError, match=r"LayerNorm: input has the shape .*expected \(N, ..., 3, 5\): build"):
        LayerNorm((3, 5))(np.ones((2, *shape), np.float32))
    with pytest.raises(ShapeError, match="expected"):
        LayerNorm((3, 5))(np.ones((3, 5), np.float32))


@pytest.mark.parametrize("shape", [1, (1, 1), ()])
def test_layer_norm_of_one_value_is_refused(shape):
    with pytest.raises(RangeError, match="LayerNorm: shape is .*expected at least 2 values"):
        LayerNorm(shape)


@given(any_batch_norm)
@settings(max_examples=20)
def test_x_hat_has_mean_zero_and_variance_below_one_by_eps(case):
    layer, x = case
    layer.gamma.data[...], layer.beta.data[...] = 1, 0
    x_hat, _ = layer.forward(x, train=True)
    axes = tuple(i for i in range(x.ndim) if i != 1)
    variance = x.var(axis=axes)
    assert_close(x_hat.mean(axis=axes), np.zeros(layer.channels), 1e-12)
    assert_close(x_hat.var(axis=axes), variance / (variance + layer.eps), 1e-12)


@pytest.mark.parametrize("k", [1, 2, 7])
def test_running_statistics_after_k_identical_batches(k):
    rng = np.random.default_rng(0)
    layer = BatchNorm2d(3).to(dtype=np.float64)
    x = rng.normal(2, 3, size=(4, 3, 2, 5))
    for _ in range(k):
        layer.forward(x, train=True)
    m = 4 * 2 * 5
    mean, var = x.mean(axis=(0, 2, 3)), x.var(axis=(0, 2, 3))
    assert_close(layer.running_mean.data, (1 - 0.9**k) * mean)
    assert_close(layer.running_var.data, 0.9**k + (1 - 0.9**k) * m / (m - 1) * var)


def test_statistics_move_once_a_training_forward_and_never_else():
    rng = np.random.default_rng(0)
    layer = randomise(BatchNorm2d(2), rng)
    x, dy = rng.normal(size=(2, 3, 2, 4, 4))
    before = values(layer)
    _, cache = layer.forward(x, train=False)
    layer.backward(dy, cache)
    assert_same(values(layer), before, 0)
    _, cache = layer.forward(x, train=True)
    moved = values(layer)
    layer.backward(dy, cache)
    layer.backward(dy, cache)
    assert_same(values(layer), moved, 0)
    assert not np.array_equal(moved["running_mean"], before["running_mean"])


def test_running_statistics_stay_real_under_a_complex_step():
    layer = BatchNorm1d(2).to(dtype=np.float64)
    x = np.random.default_rng(0).normal(size=(4, 2))
    layer.forward(x + 1e-30j, train=True)
    assert {t.data.dtype for _, t in layer.tensors()} == {np.dtype("float64")}
    assert_close(layer.running_mean.data, 0.1 * x.mean(axis=0))


def test_gradient_in_training_is_orthogonal_to_what_the_batch_fixes():
    rng = np.random.default_rng(0)
    layer = randomise(BatchNorm1d(3, eps=0.0), rng)
    x, dy = rng.normal(size=(2, 8, 3))
    dx = run(layer, x, dy, train=True)["dx"]
    assert np.abs(dx.sum(axis=0)).max() < 1e-13
    assert np.abs((dx * (x - x.mean(axis=0))).sum(axis=0)).max() < 1e-13


def test_two_values_per_channel_are_enough():
    layer = randomise(BatchNorm1d(2, eps=0.1), np.random.default_rng(0))
    x, dy = np.random.default_rng(1).normal(size=(2, 2, 2))
    expected = norm_loops.batch_norm_train(x, dy, **values(layer), momentum=0.1, eps=0.1)
    assert_same(run(layer, x, dy, train=True), expected)


@pytest.mark.parametrize("groups, axes", [(1, (1, 2, 3)), (6, (2, 3))])
def test_group_norm_between_layer_and_instance_norm(groups, axes):
    x = np.random.default_rng(0).normal(1, 2, size=(2, 6, 4, 4))
    y = GroupNorm(groups, 6, eps=0.0).to(dtype=np.float64)(x)
    expected = (x - x.mean(axis=axes, keepdims=True)) / x.std(axis=axes, keepdims=True)
    assert_close(y, expected)


@pytest.mark.parametrize(
    "make, shape", [(lambda: BatchNorm2d(3), (4, 3, 5, 5)), (lambda: GroupNorm(3, 6), (2, 6, 4, 4))]
)
def test_float32_stays_float32_and_near_float64(make, shape):
    rng = np.random.default_rng(0)
    layer = randomise(make(), rng)
    x, dy = rng.normal(100, 1, size=shape), rng.normal(size=shape)
    twin = make()
    for (_, t), (_, original) in zip(twin.tensors(), layer.tensors()):
        t.data = original.data.astype(np.float32)
    found = run(twin, x.astype(np.float32), dy.astype(np.float32), train=True)
    assert {a.dtype for a in found.values()} == {np.dtype("float32")}
    assert_same(found, run(layer, x.astype(np.float32).astype(np.float64), dy, train=True), 1e-4)


@pytest.mark.parametrize("train", [True, False])
def test_the_three_terms_of_dx(train, xp, device):
    """Each by the complex step, with mean and variance held or moved alone; together they are dx."""
    rng = np.random.default_rng(0)
    layer = randomise(BatchNorm2d(3), rng)
    x, dy, v = rng.standard_normal((3, 4, 3, 2, 5))
    gamma, beta, eps = layer.gamma.data[:, None, None], layer.beta.data[:, None, None], layer.eps
    step = x + 1e-30j * v

    def mean(a):
        return a.mean(axis=(0, 2, 3), keepdims=True)

    def var(a):
        return mean((a - mean(a)) ** 2)

    def along(moved, of_mean, of_var):
        """<dy, derivative along v> where x, the mean and the variance are those of the given arrays."""
        y = gamma * (moved - mean(of_mean)) / np.sqrt(var(of_var) + eps) + beta
        return (dy * y.imag).sum() / 1e-30

    on_device = layer.to(device=device)
    _, cache = on_device.forward(xp.asarray(x), train)
    terms = {name: np_of(term) for name, term in on_device.terms(xp.asarray(dy), cache).items()}
    on_device.zero_grads()
    dx = np_of(on_device.backward(xp.asarray(dy), cache))
    assert list(terms) == ["direct", "mean", "variance"]
    assert np.abs(sum(terms.values()) - dx).max() < 1e-14 * np.abs(dx).max() * 10
    if train:
        held = {"direct": (step, x, x), "mean": (x + 0j, step, x), "variance": (x + 0j, x, step)}
        for name, arrays in held.items():
            assert (v * terms[name]).sum() == pytest.approx(along(*arrays), rel=1e-12), name
    else:
        assert np.array_equal(terms["direct"], dx) and not terms["mean"].any() and not terms["variance"].any()


def test_the_defaults_by_hand():
    """Small values show eps = 1e-5, and a second forward the momentum of 0.1."""
    x = np.array([[1e-3], [-1e-3]])
    layer = BatchNorm1d(1).to(dtype=np.float64)
    y, _ = layer.forward(x + 5, train=True)
    assert_close(y, x / np.sqrt(1e-6 + 1e-5), 1e-9)
    assert_close(layer.running_mean.data, np.array([0.5]))
    assert_close(GroupNorm(1, 2).to(dtype=np.float64)(x.reshape(1, 2, 1, 1)).reshape(2, 1), x / np.sqrt(1.1e-5))
    assert_close(LayerNorm(2).to(dtype=np.float64)(x.T), x.T / np.sqrt(1.1e-5))


def test_terms_of_a_constant_channel_are_finite_and_of_another_gradient_refused():
    layer, x = BatchNorm2d(2).to(dtype=np.float64), np.random.default_rng(0).normal(size=(3, 2, 2, 2))
    x[:, 1] = 0
    _, cache = layer.forward(x, train=True)
    assert all(np.isfinite(term).all() for term in layer.terms(x, cache).values())
    with pytest.raises(ShapeError, match=r"^BatchNorm2d: dy has shape \(2, 2, 2, 2\), the output"):
        layer.terms(x[1:], cache)
    with pytest.raises(DTypeError, match="^BatchNorm2d: dy is float32, the layer float64"):
        layer.terms(x.astype(np.float32), cache)
