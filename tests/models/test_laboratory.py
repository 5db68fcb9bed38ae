"""The laboratory of "Identity Mappings in Deep Residual Networks": activation placements and shortcuts."""

import numpy as np
import pytest
from models import torch_laboratory
from oracles import assert_close, assert_same, run

from minires.errors import RangeError
from minires.gradcheck import gradcheck
from minires.layers import BatchNorm2d, Gate, ReLU, Residual, Scale, Sequential
from minires.models import build, cifar_preact_resnet, cifar_resnet
from minires.models.blocks import GATES, PLACEMENTS, SHORTCUTS, basic_block, shortcut_layer

BLOCKS = tuple(PLACEMENTS)
IDENTITY_AFTER_ADD = ("relu_before_add", "relu_only_preact", "full_preact")
TRAIN = pytest.mark.parametrize("train", [True, False], ids=["train", "eval"])
EVERY_BLOCK = pytest.mark.parametrize("block", BLOCKS)
EVERY_SHORTCUT = pytest.mark.parametrize("option", SHORTCUTS)


def net(name="resnet8", **options):
    """A float64 network for two channels whose vectors (gamma, beta, running statistics, bias) are far from 0 and 1."""
    model = build(name, num_classes=5, in_channels=2, rng=0, **options).to(dtype=np.float64)
    rng = np.random.default_rng(1)
    for _, tensor in model.tensors():
        if tensor.data.ndim == 1:
            tensor.data = rng.uniform(0.5, 1.5, tensor.data.shape)
    return model


def images(n=3, channels=2, size=8):
    return np.random.default_rng(2).normal(size=(n, channels, size, size))


def params(model):
    return sum(p.data.size for _, p in model.params())


# --- counts and structure ------------------------------------------------------------------------------------------


@EVERY_BLOCK
@pytest.mark.parametrize(("depth", "expected"), [(20, 269_722), (56, 853_018), (110, 1_727_962)])
def test_the_placements_have_the_parameters_of_the_original(block, depth, expected):
    assert params(build(f"resnet{depth}", block=block, rng=0)) == expected


@EVERY_BLOCK
@pytest.mark.parametrize("n", [1, 2, 4])
def test_every_depth_has_the_parameters_of_the_closed_form(block, n):
    assert params(build(f"resnet{6 * n + 2}", block=block, rng=0)) == 97_216 * n - 21_926


@EVERY_BLOCK
def test_option_b_adds_batch_norm_to_its_convolutions_but_not_behind_a_shared_preactivation(block):
    expected = 1_730_522 if block == "full_preact" else 1_730_714
    assert params(build("resnet110", block=block, shortcut="B", rng=0)) == expected


@pytest.mark.parametrize(
    ("option", "extra"),
    [
        ("scale", 0),
        ("scale-shortcut", 0),
        ("dropout", 0),
        ("conv1x1", 18 * 16**2 + 17 * (32**2 + 64**2)),
        ("exclusive-gate", 18 * (16**2 + 16) + 17 * (32**2 + 32 + 64**2 + 64)),
        ("shortcut-gate", 18 * (16**2 + 16) + 17 * (32**2 + 32 + 64**2 + 64)),
    ],
)
def test_shortcuts_of_table_1_stand_where_the_shape_stays(option, extra):
    assert params(build("resnet110", shortcut=option, rng=0)) == 1_727_962 + extra


@EVERY_BLOCK
@EVERY_SHORTCUT
def test_a_block_is_a_fork_or_a_sequential_with_the_fork_at_add(block, option):
    model = build("resnet14", block=block, shortcut=option, rng=0)
    for stage in ("stage1", "stage2", "stage3"):
        for path, unit in model.at(stage).children():
            fork = unit if isinstance(unit, (Residual, Gate)) else unit["add"]
            assert isinstance(fork, Gate if option in GATES and (stage, path) not in CHANGES else Residual)
            if block in IDENTITY_AFTER_ADD and unit is not fork:
                assert list(dict(unit.children())) == ["bn", "relu", "add"]
                assert block == "full_preact" and option in "BC"


CHANGES = (("stage2", "0"), ("stage3", "0"))


@pytest.mark.parametrize(
    ("block", "stem", "after", "tail"),
    [
        ("original", [BatchNorm2d, ReLU], [ReLU], []),
        ("bn_after_add", [BatchNorm2d, ReLU], [BatchNorm2d, ReLU], []),
        ("relu_before_add", [BatchNorm2d, ReLU], None, []),
        ("relu_only_preact", [BatchNorm2d], None, [ReLU]),
        ("full_preact", [], None, [BatchNorm2d, ReLU]),
    ],
)
def test_stem_and_tail_fit_the_block(block, stem, after, tail):
    model = build("resnet8", block=block, rng=0)
    unit = model.at("stage1.0")
    assert [type(layer) for _, layer in model.at("stem").children()][1:] == stem
    assert [type(layer) for _, layer in model.at("head").children()][:-3] == tail
    if after is None:
        assert isinstance(unit, Residual)
    else:
        assert [type(layer) for _, layer in unit.children()] == [Residual, *after]


@EVERY_BLOCK
@pytest.mark.parametrize("name", ["resnet8", "resnet11", "digits_resnet8", "resnet18", "resnet50"])
def test_a_tail_in_front_of_the_head(name, block):
    """Two vectors more, ahead of the mean; all that was there before starts from the same numbers."""
    plain, tailed = (build(name, block=block, rng=3, **options) for options in ({}, {"tail": "bn relu"}))
    assert [type(layer) for _, layer in tailed.at("head").children()][:2] == [BatchNorm2d, ReLU]
    tensors, fewer = ({path: p.data for path, p in model.params()} for model in (tailed, plain))
    assert set(tensors) - set(fewer) == (set() if block == "full_preact" else {"head.bn.gamma", "head.bn.beta"})
    assert all(np.array_equal(tensors[path], data) for path, data in fewer.items())


@EVERY_BLOCK
@TRAIN
def test_with_a_tail_equals_the_body_behind_its_layers(block, train):
    """The network without a tail as far as the mean, then the two layers by hand."""
    tailed, x = net(block=block, tail="bn relu"), images()
    body = Sequential(*(layer for name, layer in tailed.children() if name != "head"))
    trunk = body.forward(x, train)[0]
    bn, linear = tailed.at("head.bn"), tailed.at("head.fc")
    stats = (trunk.mean((0, 2, 3)), trunk.var((0, 2, 3))) if train else (bn.running_mean.data, bn.running_var.data)
    mean, var, gamma, beta = (v[:, None, None] for v in (*stats, bn.gamma.data, bn.beta.data))
    seen = np.maximum(gamma * (trunk - mean) / np.sqrt(var + bn.eps) + beta, 0).mean((2, 3))
    expected = seen @ linear.weight.data.T + linear.bias.data
    assert_close(net(block=block, tail="bn relu").forward(x, train)[0], expected, 1e-12)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"tail": "relu"}, "resnet8: tail is 'relu', expected None, for that of the placement, or 'bn relu'"),
        ({"tail": ""}, "resnet8: tail is '', expected None"),
        (
            {"tail": "bn relu", "norm": None},
            "resnet8: tail is 'bn relu' and norm is None, which takes every batch norm",
        ),
    ],
)
def test_tails_that_are_refused(options, words):
    with pytest.raises(RangeError, match=words):
        build("resnet8", rng=0, **options)


@pytest.mark.parametrize("option", ["A", "B", "shortcut-gate"])
def test_preact_resnet_is_the_full_preactivation(option):
    a = build("preact_resnet14", shortcut=option, rng=3)
    b = build("resnet14", block="full_preact", shortcut=option, rng=3)
    assert repr(a) == repr(b)
    x = images(channels=3).astype(np.float32)
    np.testing.assert_array_equal(a(x), b(x))


# --- gradients and values ------------------------------------------------------------------------------------------


@TRAIN
@EVERY_BLOCK
@EVERY_SHORTCUT
def test_gradients(block, option, train):
    gradcheck(net(block=block, shortcut=option), images(2), train=train, directions=1, tol=1e-10)


@EVERY_BLOCK
@pytest.mark.parametrize(
    ("option", "train"),
    [(option, train) for option in SHORTCUTS for train in (True, False) if (option, train) != ("dropout", True)],
)
def test_equals_pytorch(block, option, train):
    model, x = net("resnet14", block=block, shortcut=option), images()
    dy = np.random.default_rng(3).normal(size=(len(x), 5))
    expected = torch_laboratory.torch_answer(model, block, option, 2, x, dy, train)
    assert_same(run(model, x, dy, train), expected, 1e-9)


@TRAIN
@EVERY_BLOCK
def test_dropout_on_the_shortcut_drops_half_of_x_in_training(block, train):
    fork = basic_block(16, 16, 1, "dropout", block=block, rng=0)
    fork = fork if isinstance(fork, Residual) else fork["add"]
    x = images(4, 16).astype(np.float32)
    y, _ = fork.shortcut.forward(x, train)
    if not train:
        np.testing.assert_array_equal(y, x)
    else:
        kept = y != 0
        assert 0.45 < kept.mean() < 0.55
        np.testing.assert_array_equal(y[kept], 2 * x[kept])


@TRAIN
def test_relu_before_add_never_lowers_the_signal(train):
    model, x = net("resnet20", block="relu_before_add"), images()
    x, _ = model["stem"].forward(x, train)
    for stage in ("stage1", "stage2", "stage3"):
        for _, block in model[stage].children():
            start = block.shortcut(x)
            x, _ = block.forward(x, train)
            assert np.all(x >= start)
            assert np.any(x > start)


@pytest.mark.parametrize("block", IDENTITY_AFTER_ADD)
@pytest.mark.parametrize(("option", "factor"), [("A", 1), ("scale", 0.5), ("scale-shortcut", 0.5)])
def test_the_shortcut_term_is_the_gradient_times_the_factor_bit_for_bit(block, option, factor):
    model = net("resnet14", block=block, shortcut=option)
    fork = model.at("stage2.1")
    x = images(channels=32)
    y, cache = fork.forward(x, train=True)
    dy = np.random.default_rng(3).normal(size=y.shape)
    np.testing.assert_array_equal(fork.terms(dy, cache)["shortcut"], factor * dy)


def test_option_a_of_the_full_preactivation_pads_the_raw_signal():
    fork = net(block="full_preact").at("stage2.0")
    x = images(channels=16)
    expected = np.zeros((len(x), 32, 4, 4))
    expected[:, :16] = x[:, :, ::2, ::2]
    assert np.any(x < 0)
    np.testing.assert_array_equal(fork.shortcut(x), expected)


def test_scale_halves_both_ways_and_scale_shortcut_one():
    x = images(channels=16)
    both, one, plain = (net(block="full_preact", shortcut=s).at("stage1.0") for s in ("scale", "scale-shortcut", "A"))
    assert_close(both(x), plain(x) / 2)
    assert_close(one(x), plain(x) - x / 2)


@pytest.mark.parametrize("option", GATES)
def test_a_gate_of_bias_minus_infinity_is_closed(option):
    """t = 0: the exclusive gate leaves x alone, the shortcut-only gate leaves x + F."""
    fork, x = net(block="full_preact", shortcut=option).at("stage1.0"), images(channels=16)
    fork.gate["conv"].bias.data[...] = -1e3
    np.testing.assert_array_equal(fork(x), x if option == "exclusive-gate" else fork.branch(x) + x)


# --- initial values ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("options", "expected"), [({}, -6), ({"gate_bias": -3}, -3), ({"gate_bias": np.float32()}, 0)])
@pytest.mark.parametrize("option", GATES)
def test_gates_start_with_their_bias(option, options, expected):
    model = build("resnet14", shortcut=option, rng=0, **options)
    gates = [layer for _, layer in model.walk() if isinstance(layer, Gate)]
    assert len(gates) == 4
    assert all(np.all(gate.gate["conv"].bias.data == expected) for gate in gates)
    assert all(gate.exclusive == (option == "exclusive-gate") for gate in gates)


@pytest.mark.parametrize("option", ["A-both", "scale", "scale-shortcut", "dropout"])
def test_shortcuts_without_parameters_start_from_the_weights_of_option_a(option):
    a, b = (dict(build("resnet14", shortcut=s, rng=5).params()) for s in ("A", option))
    assert a.keys() == b.keys()
    assert all(np.array_equal(a[path].data, b[path].data) for path in a)


def test_each_dropout_draws_from_its_own_generator_and_a_seed_repeats_it():
    x = images(channels=3).astype(np.float32)
    first, again = (build("resnet14", shortcut="dropout", rng=0) for _ in range(2))
    rngs = [rng for _, rng in first.generators()]
    assert len({id(rng) for rng in rngs}) == 4
    assert len({rng.random() for rng in rngs}) == 4
    assert not any(rng is other for rng in rngs for _, other in again.generators())
    [rng.random() for _, rng in again.generators()]
    np.testing.assert_array_equal(first.forward(x, train=True)[0], again.forward(x, train=True)[0])


# --- options -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"block": "preact"}, "block is 'preact', expected one of original, bn_after_add, relu_before_add, "),
        ({"block": None}, "block is None, expected one of "),
        ({"block": ["original"]}, "block is ['original'], expected one of "),
        ({"shortcut": "gate"}, "exclusive-gate, shortcut-gate, conv1x1, dropout"),
        ({"shortcut": "exclusive-gate", "gate_bias": "-6"}, "gate_bias is '-6', expected a finite number"),
        ({"shortcut": "exclusive-gate", "gate_bias": np.nan}, "gate_bias is nan, expected a finite number"),
        ({"gate_bias": -3}, "shortcut='A' has no gate: use exclusive-gate or shortcut-gate"),
    ],
)
@pytest.mark.parametrize(
    "make",
    [
        lambda rng, **options: build("resnet8", rng=rng, **options),
        lambda rng, **options: basic_block(16, 16, 1, options.pop("shortcut", "A"), rng=rng, **options),
    ],
    ids=["build", "basic_block"],
)
def test_options_that_do_not_exist_are_refused_before_anything_is_drawn(make, options, message):
    rng = np.random.default_rng(0)
    before = rng.bit_generator.state
    with pytest.raises(RangeError) as error:
        make(rng, **options)
    assert message in str(error.value)
    assert rng.bit_generator.state == before


def test_a_shortcut_alone_is_checked_too():
    with pytest.raises(RangeError, match="shortcut is 'D', expected one of A, "):
        shortcut_layer(16, 16, 1, "D", rng=0)


def test_preact_resnet_has_no_other_block():
    with pytest.raises(RangeError, match="preact_resnet20 has no option 'block', expected bottleneck or gate_bias or "):
        build("preact_resnet20", block="original", rng=0)


@pytest.mark.parametrize("name", ["preact_resnet50", "preact_resnet21", "preact_resnet2", "preact_resnet"])
def test_depths_of_preact_resnet(name):
    with pytest.raises(RangeError, match=f"no model is called '{name}'|{name}: the depth is "):
        build(name, rng=0)


def test_constructors_take_numpy_depths():
    assert params(cifar_preact_resnet(np.int64(20), rng=0)) == params(cifar_resnet(20, rng=0))


def test_scaled_branches_keep_the_names_of_their_layers():
    branch = build("resnet8", shortcut="scale", rng=0).at("stage1.0.add.branch")
    assert isinstance(branch, Sequential)
    assert [*dict(branch.children())] == ["conv1", "bn1", "relu1", "conv2", "bn2", "scale"]
    assert isinstance(branch["scale"], Scale)
