"""Lesions: new models that share parameters, originals that stay as they were, and errors that say what would fit."""

import numpy as np
import pytest
from conftest import np_of
from hypothesis import given, settings
from hypothesis import strategies as st

from minires.errors import DTypeError, RangeError
from minires.layers import Flatten, Identity, Linear, ReLU, Residual, Sequential, Tanh
from minires.layers.parts import replace
from minires.models import build
from minires.models.blocks import PLACEMENTS, SHORTCUTS
from minires.models.lesions import bypass, delete, forks, reorder, scale_branch, swap

EVERY_BLOCK = pytest.mark.parametrize("block", PLACEMENTS)
EVERY_SHORTCUT = pytest.mark.parametrize("option", SHORTCUTS)
TRAIN = pytest.mark.parametrize("train", [True, False], ids=["train", "eval"])


def net(name="resnet14", **options):
    """A float64 network whose vectors (gamma, beta, running statistics, biases) are far from 0 and 1."""
    model = build(name, num_classes=4, in_channels=2, rng=0, **options).to(dtype=np.float64)
    rng = np.random.default_rng(1)
    for _, tensor in model.tensors():
        if tensor.data.ndim == 1:
            tensor.data = rng.uniform(0.5, 1.5, tensor.data.shape)
    return model


def images(n=2, channels=2, size=8):
    return np.random.default_rng(2).normal(size=(n, channels, size, size))


def state(model):
    """Everything that a run could change: tensors, gradients, random states, and the output."""
    arrays = {path: tensor.data.tobytes() for path, tensor in model.tensors()}
    grads = {path: p.grad.tobytes() for path, p in model.params()}
    rngs = {path: rng.bit_generator.state for path, rng in model.generators()}
    return arrays, grads, rngs, repr(model), model(images()).tobytes()


def copy_tensors(source, target):
    """``target`` gets the values of the tensors at the same paths of ``source``."""
    values = dict(source.tensors())
    for path, tensor in target.tensors():
        tensor.data = values[path].data.copy()


def in_order(blocks, x):
    for block in blocks:
        x = block(x)
    return x


LESIONS = {
    "delete": lambda model: delete(model, forks(model)[1]),
    "delete where the shape changes": lambda model: delete(model, forks(model)[2]),
    "scale_branch": lambda model: scale_branch(model, forks(model)[1], 0.3),
    "swap": lambda model: swap(model, "stage1.0", "stage1.1", image=(2, 8, 8)),
    "several": lambda model: swap(
        delete(scale_branch(model, forks(model)[0], 2), forks(model)[3]), "stage1.1", "stage1.0", image=(2, 8, 8)
    ),
}


# --- the original --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lesion", LESIONS)
@pytest.mark.parametrize(
    "options",
    [{}, {"block": "full_preact"}, {"block": "bn_after_add", "shortcut": "dropout"}, {"shortcut": "exclusive-gate"}],
    ids=str,
)
def test_the_original_stays_bit_for_bit_as_it_was(lesion, options):
    model, x = net(**options), images()
    before = state(model)
    lesioned = LESIONS[lesion](model)
    y, _ = lesioned.forward(x, train=True)  # updates running statistics and draws masks: those of the copy
    assert state(model) == before
    assert np.any(y != net(**options).forward(x, train=True)[0])


@pytest.mark.parametrize("lesion", LESIONS)
def test_parameters_are_shared_and_running_statistics_are_not(lesion):
    model = net()
    lesioned = LESIONS[lesion](model)
    params = {id(p) for _, p in model.params()}
    buffers = {id(t) for _, t in model.tensors()} - params
    assert {id(p) for _, p in lesioned.params()} <= params
    assert not {id(t) for _, t in lesioned.tensors()} & buffers


def test_a_backward_of_the_copy_adds_to_the_gradients_of_the_original():
    model, x = net(), images()
    lesioned = delete(model, "stage1.1.add")
    y, cache = lesioned.forward(x)
    lesioned.backward(np.random.default_rng(3).normal(size=y.shape), cache)
    assert np.any(model.at("stage1.0.add.branch.conv1").weight.grad)
    assert not np.any(model.at("stage1.1.add.branch.conv1").weight.grad)


# --- delete and scale ----------------------------------------------------------------------------------------------


@TRAIN
@pytest.mark.parametrize("block", ["full_preact", "relu_only_preact", "relu_before_add", "original"])
def test_without_one_block_a_stage_it_is_the_shallower_network(block, train):
    """For the original because its ReLU changes nothing behind a ReLU; not for bn_after_add, whose BN stays."""
    deep, shallow, x = net("resnet14", block=block), net("resnet8", block=block), images()
    copy_tensors(deep, shallow)
    for path in forks(deep)[1::2]:
        assert ".1" in path
        deep = delete(deep, path)
    np.testing.assert_array_equal(deep.forward(x, train)[0], shallow.forward(x, train)[0])


@TRAIN
@EVERY_BLOCK
@EVERY_SHORTCUT
def test_scale_1_is_the_original_and_scale_0_the_deletion(block, option, train):
    original, x = lambda: net(block=block, shortcut=option), images()
    for path in forks(original())[1:3]:  # an ordinary block and a change of shape
        kept, zero = (scale_branch(original(), path, factor).forward(x, train)[0] for factor in (1, 0))
        np.testing.assert_array_equal(kept, original().forward(x, train)[0])
        np.testing.assert_array_equal(zero, delete(original(), path).forward(x, train)[0])


def test_a_deleted_block_of_v1_keeps_its_relu():
    lesioned = delete(net(), "stage1.1.add")
    x = images(channels=16)
    assert np.any(x < 0)
    np.testing.assert_array_equal(lesioned.at("stage1.1")(x), np.maximum(x, 0))


def test_a_deleted_change_of_shape_keeps_its_shortcut():
    model = net(block="full_preact", shortcut="B")
    block, x = model.at("stage2.0"), images(channels=16)
    lesioned = delete(model, "stage2.0.add").at("stage2.0")
    np.testing.assert_array_equal(lesioned(x), block["add"].shortcut(block["relu"](block["bn"](x))))


@pytest.mark.parametrize("option", ["exclusive-gate", "shortcut-gate"])
def test_a_deleted_gate_keeps_its_gated_shortcut(option):
    model, x = net(block="full_preact", shortcut=option), images(channels=16)
    t = model.at("stage1.0").gate(x)
    np.testing.assert_array_equal(delete(model, "stage1.0").at("stage1.0")(x), (1 - t) * x)


@EVERY_SHORTCUT
def test_scales_multiply_and_names_stay(option):
    model, x = net(shortcut=option), images(channels=16)
    path = "stage1.0.add"
    twice = scale_branch(scale_branch(model, path, 0.5), path, 0.25).at(path)
    np.testing.assert_array_equal(twice.branch(x), 0.125 * model.at(path).branch(x))
    names = list(dict(twice.branch.children()))
    assert names[: names.index("scale")] == ["conv1", "bn1", "relu1", "conv2", "bn2"]
    np.testing.assert_array_equal(scale_branch(model, path, 2).at(path).branch(x), 2 * model.at(path).branch(x))


def test_the_branch_may_be_any_layer():
    layer, x = Sequential(only=Residual(Linear(3, 3, rng=0))), np.random.default_rng(0).normal(size=(2, 3))
    layer.to(dtype=np.float64)
    np.testing.assert_array_equal(scale_branch(layer, "only", -1)(x), x - layer["only"].branch(x))
    np.testing.assert_array_equal(delete(layer, "only")(x), x)


# --- orders --------------------------------------------------------------------------------------------------------


@EVERY_BLOCK
@EVERY_SHORTCUT
def test_a_swap_of_blocks_with_equal_weights_changes_nothing(block, option):
    model, x = net("resnet20", block=block, shortcut=option), images()
    copy_tensors(model.at("stage2.1"), model.at("stage2.2"))
    swapped = swap(model, "stage2.1", "stage2.2", image=(2, 8, 8))
    for train in (False,) if option == "dropout" else (True, False):  # the generator of a dropout moves with its block
        np.testing.assert_array_equal(swapped.forward(x, train)[0], model.forward(x, train)[0])


@EVERY_BLOCK
def test_a_swap_exchanges_whole_blocks_and_twice_is_the_original(block):
    model, x = net(block=block), images(channels=16)
    a, b = model.at("stage1.0"), model.at("stage1.1")
    swapped = swap(model, "stage1.1", "stage1.0")
    np.testing.assert_array_equal(swapped.at("stage1")(x), a(b(x)))
    assert np.any(a(b(x)) != b(a(x)))
    np.testing.assert_array_equal(swap(swapped, "stage1.0", "stage1.1")(images()), model(images()))


@given(st.permutations(range(4)), st.permutations([1, 2, 3]))
@settings(max_examples=20)
def test_blocks_run_in_the_given_order(first, second):
    model, x = DEEP, images(channels=16)
    order = [f"stage1.{k}" for k in first] + [f"stage2.{k}" for k in second]
    found = reorder(model, order, image=(2, 8, 8))
    np.testing.assert_array_equal(found.at("stage1")(x), in_order([model.at(f"stage1.{k}") for k in first], x))
    z = model.at("stage1")(x)
    expected = in_order([model.at("stage2.0"), *(model.at(f"stage2.{k}") for k in second)], z)
    np.testing.assert_array_equal(found.at("stage2")(z), expected)
    for path, _ in model.at("stage3").params():
        assert dict(found.at("stage3").params())[path] is dict(model.at("stage3").params())[path]


DEEP = net("resnet26", block="full_preact")


def test_lesions_compose_in_any_order_of_independent_ones():
    model, x = net("resnet20", block="full_preact"), images()
    one = swap(delete(scale_branch(model, "stage1.0", 0.5), "stage3.2"), "stage2.1", "stage2.2")
    other = scale_branch(delete(swap(model, "stage2.1", "stage2.2"), "stage3.2"), "stage1.0", 0.5)
    np.testing.assert_array_equal(one(x), other(x))
    assert forks(one) == [path for path in forks(model) if path != "stage3.2"]


def test_a_deleted_block_may_be_moved():
    model, x = net("resnet14", block="full_preact"), images(channels=16)
    lesioned = swap(delete(model, "stage1.0"), "stage1.0", "stage1.1")
    np.testing.assert_array_equal(lesioned.at("stage1")(x), model.at("stage1.1")(x))
    assert isinstance(lesioned.at("stage1.1"), Identity)


def test_the_image_is_found_from_the_first_layer_with_weights():
    mlp = Sequential(
        Flatten(), Linear(6, 4, rng=0), Residual(Linear(4, 4, rng=1)), Residual(Sequential(Linear(4, 4, rng=2), ReLU()))
    )
    x = np.random.default_rng(0).normal(size=(2, 6)).astype(np.float32)
    np.testing.assert_array_equal(swap(mlp, "2", "3")(x), in_order([mlp[1], mlp[3], mlp[2]], x))


def test_a_network_for_one_size_of_image_takes_that_size():
    model = Sequential(Residual(Tanh()), Residual(ReLU()), Flatten(), Linear(12, 2, rng=0))
    x = np.random.default_rng(0).normal(size=(2, 3, 2, 2)).astype(np.float32)
    found = swap(model, "0", "1", image=(3, 2, 2))
    np.testing.assert_array_equal(found(x), in_order([model[1], model[0], model[2], model[3]], x))


def test_a_layer_that_stands_in_two_places_may_be_moved():
    model = DEEP
    tied = replace(model, {"stage1.1": model.at("stage1.0")})
    x = images(channels=16)
    a, c = model.at("stage1.0"), model.at("stage1.2")
    found = swap(tied, "stage1.1", "stage1.2", image=(2, 8, 8)).at("stage1")
    np.testing.assert_array_equal(found(x), in_order([a, c, a, model.at("stage1.3")], x))


def test_lesions_run_where_the_model_is(xp, device):
    def lesioned(device):
        model = build("resnet14", block="full_preact", rng=0).to(device=device)
        return scale_branch(swap(delete(model, "stage3.1"), "stage1.0", "stage1.1"), "stage2.1", 0.5)

    x = np.random.default_rng(0).normal(size=(1, 3, 8, 8)).astype(np.float32)
    found = lesioned(device)(xp.asarray(x))
    assert type(found) is type(xp.asarray(x))
    np.testing.assert_allclose(np_of(found), lesioned("cpu")(x), rtol=1e-4, atol=1e-5)


# --- errors --------------------------------------------------------------------------------------------------------


PREACT = build("preact_resnet14", rng=0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: delete(PREACT, "stage9.0"),
            "no layer at 'stage9.0': the model (Sequential) holds stem, stage1, stage2, stage3, head, not 'stage9'",
        ),
        (lambda: delete(PREACT, "stage1.2"), "no layer at 'stage1.2': stage1 (Sequential) holds 0, 1, not '2'"),
        (lambda: delete(PREACT, "head.fc.x"), "no layer at 'head.fc.x': head.fc (Linear) holds no layers, not 'x'"),
        (
            lambda: delete(PREACT, "stage1"),
            "stage1 (Sequential) has no residual branch, expected a Residual or Gate: stage1.0, stage1.1",
        ),
        (
            lambda: scale_branch(build("resnet8", rng=0), "stage1.0", 2),
            "stage1.0 (Sequential) has no residual branch, expected a Residual or Gate: stage1.0.add",
        ),
        (
            lambda: scale_branch(build("resnet26", rng=0), "stem", 2),
            "stem (Sequential) has no residual branch, expected a Residual or Gate: stage1.0.add, stage1.1.add, "
            "stage1.2.add, stage1.3.add, stage2.0.add, stage2.1.add, ... (12 in all)",
        ),
        (lambda: delete(build("plain8", rng=0), "stage1.0"), "expected a Residual or Gate: none in this model"),
        (
            lambda: delete(delete(PREACT, "stage1.1"), "stage1.1"),
            "stage1.1 (Identity) has no residual branch, expected a Residual or Gate: stage1.0, stage2.0, ",
        ),
        (
            lambda: swap(PREACT, "stage1.0", "stage2.1"),
            "stage2.1 maps (32, 16, 16) to (32, 16, 16), stage1.0 maps (16, 32, 32) to (16, 32, 32): only blocks with "
            "the same shapes can be exchanged; stage1.0 fits stage1.1",
        ),
        (
            lambda: swap(PREACT, "stage3.0", "stage3.1"),
            "stage3.1 maps (64, 8, 8) to (64, 8, 8), stage3.0 maps (32, 16, 16) to (64, 8, 8): only blocks with the "
            "same shapes can be exchanged; stage3.0 fits none in this model",
        ),
        (
            lambda: swap(PREACT, "stage1.1", "stage2.0"),
            "stage2.0 maps (16, 32, 32) to (32, 16, 16), stage1.1 maps (16, 32, 32) to (16, 32, 32): only blocks with "
            "the same shapes can be exchanged; stage1.1 fits stage1.0",
        ),
        (lambda: swap(PREACT, "stage1.0", "stage4.0"), "no layer at 'stage4.0'"),
        (lambda: swap(PREACT, "stage1.0.branch", "stage1.0"), "stage1.0.branch lies inside stage1.0: replace one"),
        (
            lambda: reorder(PREACT, ["stage1.1", "stage1.0", "stage1.1"]),
            "stage1.1 comes 2 times in the order, expected once: leave one",
        ),
        (lambda: reorder(PREACT, ["stage1.1", "stage5"]), "no layer at 'stage5'"),
        (
            lambda: swap(Sequential(ReLU(), Tanh()), "0", "1"),
            "the model has no Conv2d or Linear that tells the shape of its input: pass image=(C, H, W)",
        ),
        (lambda: delete(Residual(ReLU()), ""), "the path '' is the whole model, expected that of a part"),
    ],
)
def test_errors_name_the_paths_that_exist_and_what_would_fit(call, message):
    with pytest.raises(RangeError) as error:
        call()
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: delete(PREACT, 3), "a path is 3 (int), expected a string: 'stage1.0'"),
        (lambda: scale_branch(PREACT, "stage1.0", "half"), "factor is 'half', expected a number"),
    ],
)
def test_values_of_the_wrong_type(call, message):
    with pytest.raises(DTypeError) as error:
        call()
    assert message in str(error.value)


def test_bypass_takes_a_block_of_a_plain_network_out():
    model, x = build("plain14", rng=0), np.random.default_rng(0).standard_normal((2, 3, 8, 8)).astype(np.float32)
    lesioned = bypass(model, "stage2.1", image=(3, 8, 8))
    expected = Sequential(**{name: layer for name, layer in model.children()})
    expected = replace(expected, {"stage2": Sequential(model.at("stage2.0"))})
    assert np.array_equal(lesioned(x), expected(x)) and not np.array_equal(lesioned(x), model(x))
    assert lesioned.at("stage1.0.branch.conv1").weight is model.at("stage1.0.branch.conv1").weight
    with pytest.raises(RangeError, match=r"stage2.0 maps \(16, 8, 8\) to \(32, 4, 4\), .* same shape.* stage1.0"):
        bypass(model, "stage2.0", image=(3, 8, 8))
    with pytest.raises(RangeError, match="no layer at 'stage9'"):
        bypass(model, "stage9")
