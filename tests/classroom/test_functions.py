"""A student's functions as a layer: what the checks of layers say of them, and what is refused before any check."""

import copy
import types

import numpy as np
import pytest

from minires.classroom import FunctionLayer
from minires.contract import check_layer
from minires.errors import ContractError, DTypeError, GradientError
from minires.gradcheck import gradcheck
from minires.layers import BatchNorm2d, Conv2d, Linear, ReLU, Residual, Sequential, Tanh
from minires.losses import Objective, SoftmaxCrossEntropy
from minires.trace import trace


def draw(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def linear_forward(x, weight, bias):
    return x @ weight.T + bias, (x, weight)


def linear_backward(dy, cache):
    x, weight = cache
    return dy @ weight, dy.T @ x, dy.sum(axis=0)


def batchnorm_forward(x, gamma, beta, running_mean, running_var, train, momentum=0.1, eps=1e-5):
    """With np.var, which takes no complex step, and sums in loops over float64 zeros."""
    mean, var = running_mean.copy(), running_var.copy()
    if train:
        m = x.size // x.shape[1]
        mean, var = x.mean(axis=(0, 2, 3)), np.var(x, axis=(0, 2, 3))
        running_mean[...] = (1 - momentum) * running_mean + momentum * mean
        running_var[...] = (1 - momentum) * running_var + momentum * var * m / (m - 1)
    inv_std = 1 / np.sqrt(var + eps)
    y, x_hat = np.zeros(x.shape), np.zeros(x.shape)
    for c in range(x.shape[1]):
        x_hat[:, c] = (x[:, c] - mean[c]) * inv_std[c]
        y[:, c] = gamma[c] * x_hat[:, c] + beta[c]
    return y, (x_hat, inv_std, gamma, train)


def batchnorm_backward(dy, cache):
    x_hat, inv_std, gamma, train = cache
    dx, dgamma, dbeta = np.zeros(dy.shape), np.zeros(len(gamma)), np.zeros(len(gamma))
    for c in range(len(gamma)):
        g, h = gamma[c] * dy[:, c], x_hat[:, c]
        dgamma[c], dbeta[c] = (dy[:, c] * h).sum(), dy[:, c].sum()
        dx[:, c] = inv_std[c] * (g - train * (g.mean() + h * (g * h).mean()))
    return dx, dgamma, dbeta


def conv_forward(x, weight, bias, padding):
    p, (h, w) = padding, x.shape[2:]
    assert isinstance(p, int)
    padded = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
    k, y = weight.shape[2], 0
    for i in range(k):
        for j in range(k):
            y = y + np.einsum("nchw,mc->nmhw", padded[:, :, i : i + h, j : j + w], weight[:, :, i, j])
    return y + bias[:, None, None], (padded, weight, p)


def conv_backward(dy, cache):
    padded, weight, p = cache
    h, w = dy.shape[2:]
    dpadded, dweight = np.zeros_like(padded), np.zeros_like(weight)
    for i in range(weight.shape[2]):
        for j in range(weight.shape[3]):
            dweight[:, :, i, j] = np.einsum("nmhw,nchw->mc", dy, padded[:, :, i : i + h, j : j + w])
            dpadded[:, :, i : i + h, j : j + w] += np.einsum("nmhw,mc->nchw", dy, weight[:, :, i, j])
    return dpadded[:, :, p:-p, p:-p], dweight, dy.sum(axis=(0, 2, 3))


def relu_forward(x):
    return np.where(x.real > 0, x, 0), x.real > 0


def relu_backward(dy, cache):
    return dy * cache


def residual_forward(x, branch, shortcut, train):
    (f, branch_cache), (h, shortcut_cache) = branch.forward(x, train), shortcut.forward(x, train)
    return f + h, (branch_cache, shortcut_cache)


def residual_backward(dy, cache, branch, shortcut):
    branch_cache, shortcut_cache = cache
    return branch.backward(dy, branch_cache) + shortcut.backward(dy, shortcut_cache)


def loss_forward(logits, labels):
    z = logits - logits.real.max(axis=1, keepdims=True)
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    return -np.log(p[np.arange(len(p)), labels]).mean(), (p, labels)


def loss_backward(cache):
    p, labels = cache
    dlogits = p.copy()
    dlogits[np.arange(len(p)), labels] -= 1
    return dlogits / len(p)


def _residual():
    return Residual(Sequential(Conv2d(4, 4, 3, padding=1, rng=0), Tanh()), Conv2d(4, 4, 1, rng=1))


RIGHT = {
    "linear": (linear_forward, linear_backward, lambda: Linear(5, 3, rng=0), (4, 5)),
    "batchnorm": (batchnorm_forward, batchnorm_backward, lambda: BatchNorm2d(4), (3, 4, 5, 6)),
    "conv": (conv_forward, conv_backward, lambda: Conv2d(4, 3, 3, padding=1, bias=True, rng=0), (2, 4, 5, 6)),
    "relu": (relu_forward, relu_backward, ReLU, (4, 9)),
    "residual": (residual_forward, residual_backward, _residual, (3, 4, 5, 6)),
    "loss": (loss_forward, loss_backward, lambda: Objective(SoftmaxCrossEntropy(), np.array([3, 0, 1, 1])), (4, 5)),
}


@pytest.mark.parametrize("name", RIGHT)
def test_right_functions_keep_the_contract_and_agree_with_the_layer(name):
    forward, backward, like, shape = RIGHT[name]
    x = draw(*shape)
    check_layer(lambda: FunctionLayer(forward, backward, like=like()), x, method="auto")
    layer, right = (a.to(dtype=np.float64) for a in (FunctionLayer(forward, backward, like=like()), like()))
    (y, cache), (y_right, cache_right) = layer.forward(x, True), right.forward(x, True)
    dy = np.asarray(draw(*y.shape, seed=1))
    pairs = [(y, y_right), (layer.backward(dy, cache), right.backward(dy, cache_right))]
    pairs += [(a.grad, b.grad) for (_, a), (_, b) in zip(layer.params(), right.params(), strict=True)]
    pairs += [(a.data, b.data) for (_, a), (_, b) in zip(layer.tensors(), right.tensors(), strict=True)]
    for found, expected in pairs:
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


def test_what_takes_no_complex_step_is_checked_by_differences_and_the_report_says_so():
    layer = FunctionLayer(batchnorm_forward, batchnorm_backward, like=BatchNorm2d(4))
    assert "central" in str(gradcheck(layer, draw(3, 4, 5, 6), method="auto"))


def test_names_of_their_own_take_what_is_left_in_order():
    for forward in (lambda x, w, b: linear_forward(x, w, b), lambda x, w, bias: linear_forward(x, w, bias)):
        gradcheck(FunctionLayer(forward, linear_backward, like=Linear(5, 3, rng=0)), draw(4, 5))


def test_takes_says_it_where_names_do_not():
    def swapped(x, a, b):
        return linear_forward(x, b, a)

    def back(dy, cache):
        dx, dweight, dbias = linear_backward(dy, cache)
        return dx, dbias, dweight

    gradcheck(FunctionLayer(swapped, back, like=Linear(5, 3, rng=0), takes=("bias", "weight")), draw(4, 5))


def test_the_layer_of_the_teacher_is_copied():
    like = Linear(5, 3, rng=0)
    layer = FunctionLayer(linear_forward, linear_backward, like=like)
    layer.weight.data[...] = 0
    assert like.weight.data.any()


@pytest.mark.parametrize("way", ["forward", "backward"])
def test_a_name_that_the_layer_has_not_is_refused(way):
    if way == "forward":
        with pytest.raises(
            DTypeError, match=r"loss_of: takes scale, which the layer has not: its arrays and layers are"
        ):

            def loss_of(x, weight, bias, scale):
                return x, None

            FunctionLayer(loss_of, linear_backward, like=Linear(5, 3, rng=0))
    else:
        with pytest.raises(DTypeError, match=r"takes has 'gamma', Linear knows weight, bias, in_features"):
            FunctionLayer(linear_forward, linear_backward, like=Linear(5, 3, rng=0), takes=("gamma",))


def run(backward, forward=linear_forward, **settings):
    layer = FunctionLayer(forward, backward, like=Linear(5, 3, rng=0), **settings).to(dtype=np.float64)
    x = draw(4, 5)
    y, cache = layer.forward(x, True)
    try:
        return layer.backward(draw(*y.shape, seed=1), cache)
    finally:
        assert not layer.weight.grad.any() or settings, "after an error nothing has changed"


# what backward returns, made of the right results: (words of the error, results)
REFUSED = {
    "scalar": (
        r"scalar: returns dbias with the shape \(\), bias has \(3,\): sum dy over the axes",
        lambda dx, dw, db: (dx, dw, db.sum()),
    ),
    "none": (r"returns dbias as None, expected an array of floats of shape \(3,\)", lambda dx, dw, db: (dx, dw, None)),
    "few": (r"returns a tuple of 2, expected a tuple of 3: return dx, dweight, dbias", lambda dx, dw, db: (dx, dw)),
    "many": (r"returns a tuple of 4, expected a tuple of 3", lambda dx, dw, db: (dx, dw, db, db)),
    "nothing": (r"returns None, expected a tuple of 3: return dx, dweight, dbias", lambda dx, dw, db: None),
    "alone": (r"returns float64 of shape \(4, 5\), expected a tuple of 3", lambda dx, dw, db: dx),
    "exchanged": (
        r"returns dweight with the shape \(3,\), weight has \(3, 5\): that is the shape of bias, so dweight and dbias "
        r"are exchanged: return dx, dweight, dbias",
        lambda dx, dw, db: (dx, db, dw),
    ),
    "first": (
        r"returns dx with the shape \(3, 5\), x has \(4, 5\): .* dx and dweight are exch",
        lambda dx, dw, db: (dw, dx, db),
    ),
    "wide": (r"returns dbias with the shape \(1, 3\), bias has \(3,\)", lambda dx, dw, db: (dx, dw, db[None])),
    "list": (r"returns dbias as a list of 3, expected an array of floats", lambda dx, dw, db: (dx, dw, list(db))),
    "whole": (r"returns dbias as int64 of shape \(3,\), expected", lambda dx, dw, db: (dx, dw, db.astype(np.int64))),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_by_name_with_both_shapes_and_the_remedy(name):
    words, change = REFUSED[name]

    def backward(dy, cache):
        return change(*linear_backward(dy, cache))

    backward.__name__ = name
    with pytest.raises((ContractError, GradientError), match=words) as caught:
        run(backward)
    assert str(caught.value).startswith(f"{name}: returns ")


@pytest.mark.parametrize(
    ("forward", "words"),
    [
        (lambda x, weight, bias: x, r"returns float64 of shape \(4, 5\), expected two results: return y, cache"),
        (lambda x, weight, bias: None, "returns None, expected two results"),
        (lambda x, weight, bias: (x, weight, bias), "returns a tuple of 3, expected two results"),
        (lambda x, weight, bias: (x.tolist(), weight), "returns y as a list of 4, expected an array of floats"),
    ],
)
def test_forwards_that_are_refused(forward, words):
    with pytest.raises(ContractError, match=words):
        run(linear_backward, forward)


def test_a_tuple_where_dx_stands_alone_is_refused():
    layer = FunctionLayer(relu_forward, lambda dy, cache: (dy * cache,), like=ReLU())
    _, cache = layer.forward(draw(2, 3))
    with pytest.raises(ContractError, match="returns a tuple of 1, expected dx alone: return dx"):
        layer.backward(draw(2, 3), cache)


def test_float64_for_float32_is_converted_unless_the_exercise_asks():
    def forward(x, weight, bias):
        y, cache = linear_forward(x, weight, bias)
        return y.astype(np.float64), cache

    settings = {"like": Linear(5, 3, rng=0)}
    x = draw(4, 5).astype(np.float32)
    assert FunctionLayer(forward, linear_backward, **settings)(x).dtype == np.float32
    with pytest.raises(ContractError, match="returns y as float64 for an x of float32, expected float32: stay in"):
        FunctionLayer(forward, linear_backward, **settings, same_dtype=True)(x)


def test_a_frozen_parameter_gets_no_gradient():
    layer = FunctionLayer(linear_forward, linear_backward, like=Linear(5, 3, rng=0)).freeze()
    y, cache = layer.forward(draw(4, 5).astype(np.float32))
    layer.backward(y, cache)
    assert not layer.weight.grad.any()


def test_wrong_functions_are_refused_by_the_gradient_check():
    def backward(dy, cache):
        dx, dweight, dbias = linear_backward(dy, cache)
        return dx, dweight / len(dy), dbias

    with pytest.raises(GradientError, match=r"FunctionLayer: weight.grad\[.*the derivative of forward there is"):
        gradcheck(FunctionLayer(linear_forward, backward, like=Linear(5, 3, rng=0)), draw(4, 5))


def test_a_right_formula_that_writes_into_dy_is_told_so():
    def backward(dy, cache):
        dy *= cache
        return dy

    with pytest.raises(GradientError, match=r"backward changes its dy: .* dy = 2 \* dy and not dy \*= 2"):
        gradcheck(FunctionLayer(relu_forward, backward, like=ReLU()), draw(3, 4))


def test_a_module_and_functions_of_it_are_no_trouble():
    module = types.ModuleType("student")
    module.forward, module.backward = linear_forward, linear_backward
    layer = FunctionLayer(module.forward, module.backward, like=Linear(5, 3, rng=0))
    layer.module = module
    assert copy.deepcopy(layer).module is module
    gradcheck(layer, draw(4, 5))


def test_trace_runs_a_network_with_functions_in_it():
    def model(wrap):
        conv = Conv2d(3, 4, 3, padding=1, bias=True, rng=0)
        block = Residual(wrap(conv_forward, conv_backward, Conv2d(4, 4, 3, padding=1, bias=True, rng=1)))
        return Sequential(conv, block, wrap(relu_forward, relu_backward, ReLU()))

    x = draw(2, 3, 5, 5).astype(np.float32)
    mine, theirs = (
        trace(model(wrap), x, dy=draw(2, 4, 5, 5, seed=1).astype(np.float32))
        for wrap in (lambda f, b, like: FunctionLayer(f, b, like=like), lambda f, b, like: like)
    )
    np.testing.assert_allclose(mine.dx, theirs.dx, rtol=1e-4, atol=1e-5)
    assert mine.blocks[-1].path == theirs.blocks[-1].path and mine.closure_error < 1e-5
