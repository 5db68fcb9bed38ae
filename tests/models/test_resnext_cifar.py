"""The three forms of the ResNeXt block are one function."""

import numpy as np
import pytest

from minires.errors import RangeError
from minires.layers import BatchNorm2d, Sequential
from minires.models import build
from minires.models.resnet import resnext_block
from minires.models.resnext_cifar import FORMS, concat, grouped, summed

SHAPE = (3, 16, 6, 5)


def branches(cardinality=4, width=24, stride=1, out_channels=32):
    """The branch of one block in float64 in its three forms, from the same weights and uneven batch norms."""
    block = resnext_block(16, out_channels, stride, cardinality=cardinality, width=width, rng=0).to(dtype=np.float64)
    rng = np.random.default_rng(1)
    for _, tensor in block.tensors():
        if tensor.data.ndim == 1:
            tensor.data = rng.uniform(0.5, 1.5, tensor.data.shape)
    branch = block.at("add.branch")
    return [form(branch).to(dtype=np.float64) for form in (grouped, concat, summed)]


def gradient(branch, x, dy, train):
    branch.zero_grads()
    y, cache = branch.forward(x, train=train)
    return y, branch.backward(dy, cache)


def error(found, expected):
    return np.abs(found - expected).max() / np.abs(expected).max()


@pytest.mark.parametrize("train", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("cardinality", [1, 2, 5])
def test_the_forms_are_equal(cardinality, stride, train):
    rng = np.random.default_rng(2)
    x, forms = rng.normal(size=SHAPE), branches(cardinality, stride=stride)
    dy = rng.normal(size=forms[0](x).shape)
    params = [sum(p.data.size for _, p in form.params()) for form in forms]
    y, dx = gradient(forms[0], x, dy, train)
    for form, count in zip(forms[1:], params[1:]):
        other_y, other_dx = gradient(form, x, dy, train)
        assert error(other_y, y) <= 1e-12 and error(other_dx, dx) <= 1e-12
        assert count == params[0]


def test_gradients_of_the_weights_are_slices_of_the_grouped_ones():
    rng = np.random.default_rng(2)
    x, (whole, joined, added) = rng.normal(size=SHAPE), branches(3)
    dy = rng.normal(size=whole(x).shape)
    for form in (whole, joined, added):
        gradient(form, x, dy, True)
    width = whole["conv2"].weight.data.shape[1]
    for k in range(3):
        path, own = joined.at(f"paths.path{k}"), slice(width * k, width * (k + 1))
        for name in ("conv1", "conv2"):
            assert error(path[name].weight.grad, whole[name].weight.grad[own]) <= 1e-12
        assert error(path["bn2"].gamma.grad, whole["bn2"].gamma.grad[own]) <= 1e-12
    last = added.at("paths.branch.conv3").weight.grad
    assert error(last, whole["conv3"].weight.grad[:, 2 * width :]) <= 1e-12
    assert error(added["bn3"].gamma.grad, whole["bn3"].gamma.grad) <= 1e-12


def test_a_batch_norm_in_each_path_is_another_function():
    """Why the last batch norm stands behind the sum."""
    whole, _, added = branches(2)
    x = np.random.default_rng(2).normal(size=SHAPE)
    norms = [BatchNorm2d(32).to(dtype=np.float64) for _ in range(2)]
    paths = [added.at("paths.shortcut"), added.at("paths.branch")]
    separate = sum(Sequential(path, norm).forward(x, train=True)[0] for path, norm in zip(paths, norms))
    assert error(separate, whole.forward(x, train=True)[0]) > 0.1


@pytest.mark.parametrize("form", FORMS)
def test_whole_networks(form):
    """The form is an option; a seed stands for the same function in each."""
    x = np.random.default_rng(0).normal(size=(2, 3, 8, 8))
    expected = build("resnext11_3x8d", rng=0).to(dtype=np.float64)(x)
    found = build("resnext11_3x8d", rng=0, form=form).to(dtype=np.float64)(x)
    assert error(found, expected) <= 1e-12


def test_forms_do_not_share_weights():
    whole, joined, _ = branches(2)
    before = whole["conv1"].weight.data.copy()
    joined.at("paths.path0.conv1").weight.data[...] = 0
    np.testing.assert_array_equal(whole["conv1"].weight.data, before)


def test_another_form():
    with pytest.raises(RangeError, match="form is 'split', expected one of grouped, concat, sum"):
        build("resnext29_2x4d", rng=0, form="split")
