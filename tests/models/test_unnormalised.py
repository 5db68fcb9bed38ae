"""Residual networks without batch norm: what they are made of, how they start, and that they train."""

import numpy as np
import pytest
from oracles.pytorch import F, torch

from minires import gradcheck
from minires.data import load
from minires.errors import RangeError
from minires.layers import BatchNorm2d, Conv2d, Residual
from minires.models import build, certify
from minires.train import run

RNG = np.random.default_rng(0)
X = RNG.standard_normal((32, 1, 8, 8)).astype(np.float32)
STARTS = {
    "he": {"norm": None},
    "skipinit": {"norm": None, "init": "skipinit"},
    "fixup": {"norm": None, "init": "fixup"},
    "zero-gamma": {"init": "zero-gamma"},
}


def mean_squares(model, stage="stage1"):
    """Mean x^2 before the first block of a stage and behind each, in a training forward."""
    h = model["stem"].forward(X, train=True)[0]
    found = [float((h**2).mean())]
    for block in model[stage].layers.values():
        h = block.forward(h, train=True)[0]
        found.append(float((h**2).mean()))
    return np.array(found)


@pytest.mark.parametrize("name, extra", [("he", 0), ("skipinit", 27), ("fixup", 27 * 5 + 2), ("zero-gamma", 2032)])
def test_counts_by_hand(name, extra):
    """Batch norms have 2 (8 + 2 * 9 * (8 + 16 + 32)) numbers; Fixup a gain and four offsets a block, and two more."""
    assert 2 * (8 + 2 * 9 * (8 + 16 + 32)) == 2032
    found = certify("digits_resnet56", **STARTS[name])
    assert found.params == 214_402 - 2032 + extra and found.macs == 1_958_720 and found.depth == 56
    assert (found.batch_norm == "none") == (name != "zero-gamma")


@pytest.mark.parametrize("network", ["digits_resnet8", "resnet11", "preact_resnet8"])
@pytest.mark.parametrize("norm", [None, "batch"])
def test_no_layer_but_the_norms_is_lost_and_the_weights_stay(network, norm):
    one, other = build(network, rng=3), build(network, norm=norm, rng=3)
    kept = {path: layer for path, layer in one.walk() if norm or not isinstance(layer, BatchNorm2d)}
    found = dict(other.walk())
    assert list(found) == list(kept)
    for path, layer in kept.items():
        if isinstance(layer, Conv2d):
            assert np.array_equal(layer.weight.data, found[path].weight.data)


def test_he_alone_doubles_the_mean_square_with_every_block():
    """x + F(x), and F keeps mean x^2: 2 in theory; over 16 seeds, in the wide network, where theory is nearest."""
    growth = []
    for seed in range(16):
        sizes = mean_squares(build("digits_resnet26", block="full_preact", rng=seed, norm=None))
        growth.append(np.log2(sizes[-1] / sizes[0]) / (len(sizes) - 1))
    error = np.std(growth) / np.sqrt(len(growth))
    assert error < 0.1 and 0.7 < np.mean(growth) < 1.1  # log2; zeros at the border take a part


@pytest.mark.parametrize("block", ["original", "full_preact"])
@pytest.mark.parametrize("name", ["skipinit", "fixup", "zero-gamma"])
def test_every_block_starts_as_its_shortcut(name, block):
    """And dL/dx passes through unchanged: every branch is 0 exactly, in training too."""
    model = build("digits_resnet56", block=block, rng=0, **STARTS[name])
    sizes = mean_squares(model)
    assert (sizes == sizes[0]).all() and sizes[0] > 0
    for _, layer in model.walk():
        if isinstance(layer, Residual):
            x = RNG.standard_normal((4, first_channels(layer), 8, 8)).astype(np.float32)
            assert not layer.branch.forward(x, train=True)[0].any()


def first_channels(residual):
    return next(layer for _, layer in residual.branch.walk() if isinstance(layer, Conv2d)).in_channels


def test_he_alone_is_not_that():
    sizes = mean_squares(build("digits_resnet56", block="full_preact", rng=0, norm=None))
    assert sizes[-1] > 50 * sizes[0]


def test_fixup_scales_by_the_blocks_and_convolutions():
    """L^(-1 / (2m - 2)): 27^(-1/2) for basic blocks, 9^(-1/4) for the bottlenecks of 29 layers; the last is 0."""
    for name, factor in (("digits_resnet56", 27**-0.5), ("resnet29", 9**-0.25)):
        one, other = (build(name, norm=None, init=init, rng=0) for init in (None, "fixup"))
        for (path, a), (_, b) in zip(residuals(one), residuals(other)):
            *firsts, last = convs(a)
            *scaled, zero = convs(b)
            for first, small in zip(firsts, scaled, strict=True):
                np.testing.assert_allclose(small.weight.data, factor * first.weight.data, rtol=1e-6, err_msg=path)
            assert last.weight.data.any() and not zero.weight.data.any()
        assert not other.at("head.fc").weight.data.any()


def residuals(model):
    return [(path, layer) for path, layer in model.walk() if isinstance(layer, Residual)]


def convs(residual):
    return [layer for _, layer in residual.branch.walk() if isinstance(layer, Conv2d)]


def test_the_block_of_fixup_is_that_of_the_paper():
    """Figure 1, right: x + gain conv(ReLU(conv(x + b1a) + b1b) + b2a) + b2b, then ReLU; values by PyTorch."""
    block = build("digits_resnet8", norm=None, init="fixup", rng=0).at("stage1.0").to(dtype=np.float64)
    rng = np.random.default_rng(5)
    for _, param in block.params():
        param.data = rng.normal(size=param.data.shape)
    p = {path.rpartition("branch.")[2]: torch.from_numpy(param.data) for path, param in block.params()}
    x = rng.normal(size=(3, 8, 5, 6))
    t = torch.from_numpy(x)
    h = F.relu(F.conv2d(t + p["offset_conv1.bias"], p["conv1.weight"], padding=1) + p["offset_relu1.bias"])
    h = F.conv2d(h + p["offset_conv2.bias"], p["conv2.weight"], padding=1)
    expected = F.relu(t + p["gain.weight"] * h + p["offset.bias"])
    assert len(p) == 7
    np.testing.assert_allclose(block(x), expected.numpy(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", STARTS)
@pytest.mark.parametrize("network", ["digits_resnet8", "preact_resnet11"])
def test_gradients(network, name):
    """Around a random point: the first one has zeros that hide much."""
    model = build(network, in_channels=1, num_classes=3, rng=0, **STARTS[name]).to(dtype=np.float64)
    rng = np.random.default_rng(1)
    for _, param in model.params():
        param.data = param.data + 0.3 * rng.normal(size=param.data.shape)
    assert gradcheck(model, rng.normal(size=(3, 1, 6, 5)), directions=1, tol=1e-9).worst_error <= 1e-9


@pytest.mark.parametrize(
    "options, words",
    [
        ({"norm": "layer"}, "norm is 'layer', expected 'batch' or None"),
        ({"init": "he"}, "init is 'he', expected one of None, skipinit, fixup, zero-gamma"),
        ({"init": "skipinit"}, "init is 'skipinit' and norm is 'batch'.*set norm to None"),
        ({"init": "fixup"}, "init is 'fixup' and norm is 'batch'.*set norm to None"),
        ({"norm": None, "init": "zero-gamma"}, "init is 'zero-gamma' and norm is None.*leave norm out"),
    ],
)
@pytest.mark.parametrize("network", ["digits_resnet8", "resnet8", "preact_resnet8"])
def test_options_that_make_no_sense(network, options, words):
    with pytest.raises(RangeError, match=f"{network}: {words}"):
        build(network, rng=0, **options)


def test_gates_do_not_add_a_branch_that_could_start_at_zero():
    build("resnet8", norm=None, shortcut="exclusive-gate", rng=0)
    for shortcut in ("exclusive-gate", "shortcut-gate"):
        with pytest.raises(RangeError, match="resnet8: init is 'skipinit', but gates"):
            build("resnet8", norm=None, init="skipinit", shortcut=shortcut, rng=0)


@pytest.mark.slow
def test_56_layers_without_batch_norm_learn_the_digits_with_skipinit_and_not_with_he_alone():
    """Each at the better of 0.02 and 0.1: without a norm the learning rate has to be looked for."""
    sets = load("digits", "train"), load("digits", "test")
    settings = {"weight_decay": 1e-4, "warmup": 20, "schedule": "steps", "milestones": (0.75,)}
    accuracy = {}
    for name, lr in (("skipinit", 0.1), ("he", 0.02)):
        model = build("digits_resnet56", block="full_preact", rng=0, **STARTS[name])
        accuracy[name] = run(model, sets, 5, lr=lr, **settings)[-1]["test_accuracy"]
    assert accuracy["skipinit"] > 0.85 and accuracy["he"] < 0.6
