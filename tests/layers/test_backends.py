"""Every layer and loss on every backend: equal numbers, no waiting for the device, no transfer of its own."""

import numpy as np
import pytest
from conftest import to_xp
from oracles import assert_same, randomise, run, upstream

from minires.backend import to_numpy
from minires.cases import CASES, case
from minires.errors import DTypeError, StateError
from minires.layers.watch import watched

# uploads of a step: the mask is drawn on the CPU, the weights are a setting
UPLOADS = {("Dropout", True): 1, ("SoftmaxCrossEntropy weighted", True): 1, ("SoftmaxCrossEntropy weighted", False): 1}

# layers whose cache has no numbers to mix with dy
KEEP_NO_NUMBERS = {"Dropout", "Flatten", "GlobalAvgPool2d", "Identity", "LeakyReLU", "MaxPool2d", "MaxPool2d beyond"}
KEEP_NO_NUMBERS |= {"MaxPool2d dilated", "PadChannels", "ReLU", "ReLU6", "Scale", "SliceChannels", "Subsample"}

each = pytest.mark.parametrize("name", CASES)
in_both = pytest.mark.parametrize("train", [False, True], ids=["eval", "train"])


def prepared(name, dtype):
    """A layer with random parameters, x and dy, always the same for a row of CASES."""
    make, x = case(name, seed=0)
    rng = np.random.default_rng(1)
    layer = randomise(make(), rng, dtype)
    return layer, x.astype(dtype), upstream(layer, x.astype(dtype), rng)


def on_device(name, xp, device, dtype=np.float64):
    layer, x, dy = prepared(name, dtype)
    return layer.to(device=device), to_xp(xp, x), to_xp(xp, dy)


@each
@in_both
def test_numbers_are_those_of_numpy(name, train, xp, device):
    layer, x, dy = on_device(name, xp, device)
    answer = run(layer, x, dy, train)
    assert {type(array) for array in answer.values()} <= {type(x), type(x.sum())}
    assert_same({k: np.asarray(to_numpy(v)) for k, v in answer.items()}, numpy_answer(name, train))


def numpy_answer(name, train):
    layer, x, dy = prepared(name, np.float64)
    return {k: np.asarray(v) for k, v in run(layer, x, dy, train).items()}


@each
@in_both
def test_a_step_in_float32_waits_for_nothing_moves_nothing_and_stays_float32(name, train, strict):
    layer, x, dy = on_device(name, strict, "cuda", np.float32)
    layer.zero_grads()
    with strict.budget(syncs=0, downloads=0, uploads=UPLOADS.get((name, train), 0), hidden=0, leaks=0):
        y, cache = layer.forward(x, train)
        dx = layer.backward(dy, cache)
    assert y.dtype == dx.dtype == np.float32
    assert {t.data.dtype for _, t in layer.tensors() if t.data.dtype.kind == "f"} <= {np.dtype("float32")}


@each
@in_both
@pytest.mark.parametrize("wrong", ["x", "dy"])
def test_no_two_dtypes_are_mixed(name, train, wrong):
    """What is given in another dtype than the layer has is refused, or what comes back has it: nothing is widened."""
    layer, x, dy = prepared(name, np.float64)
    refused = any(layer.params()) if wrong == "x" else name not in KEEP_NO_NUMBERS
    _, cache = layer.forward(x, train)
    try:
        if wrong == "x":
            found = layer.forward(x.astype(np.float32), train)[0]
        else:
            found = layer.backward(dy.astype(np.float32), cache)
    except DTypeError as error:
        assert "float32" in str(error) and "float64" in str(error)
    else:
        assert found.dtype == np.float32 and not refused


@each
@in_both
def test_train_reaches_every_layer_inside(name, train):
    layer, x, _ = prepared(name, np.float64)
    seen = set()

    def noting(path, layer, forward):
        return lambda x, train=None: (seen.add((path, train)), forward(x, train))[1]

    with watched(layer.walk(), forward=noting):
        layer.forward(x, train)
    assert seen == {(path, train) for path, _ in layer.walk()}


@each
def test_an_error_inside_comes_with_the_path_of_its_layer(name):
    layer, x, dy = prepared(name, np.float64)
    _, cache = layer.forward(x)

    def failing(path, part, method):
        def fail(*args):
            raise StateError("refused")

        return fail

    for path, part in layer.walk():
        for call in (lambda: layer.forward(x), lambda: layer.backward(dy, cache)) if path else ():
            with watched([(path, part)], forward=failing, backward=failing), pytest.raises(StateError) as caught:
                call()
            assert ".".join(caught.value.path) == path


@each
def test_forward_is_inference_unless_it_is_told(name):
    """The default of ``train`` is False, on every way through a container."""
    (layer, x, _), (fresh, _, _) = prepared(name, np.float64), prepared(name, np.float64)
    assert np.array_equal(layer.forward(x)[0], fresh.forward(x, train=False)[0])
    for (path, tensor), (_, same) in zip(layer.tensors(), prepared(name, np.float64)[0].tensors(), strict=True):
        assert np.array_equal(tensor.data, same.data), f"{path} has moved"
