"""Every layer of the package, compiled: the contract, and the definition's answers."""

import copy

import numpy as np
import pytest
from oracles import assert_same, run, upstream

import minires
from minires import layers as L
from minires.cases import CASES, case
from minires.contract import check_layer

NO_IMAGES = ("BatchNorm1d", "Flatten", "Linear", "MeanSquaredError", "Sequential", "SoftmaxCrossEntropy")


@pytest.mark.parametrize("name", CASES)
def test_the_contract(name):
    make, x = case(name, 0)
    check_layer(lambda: minires.compile(make(), threads=2), x)


@pytest.mark.parametrize("train", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("name", [name for name in CASES if name.split()[0] not in NO_IMAGES])
def test_equals_the_definition_between_convolutions(name, train):
    """In the middle of a network, where values come in chunks and go on in chunks."""
    rng = np.random.default_rng(0)
    layer = case(name, 0)[0]()
    channels = _channels(layer, np.ones((1, 4, 5, 6)))
    ends = L.Conv2d(2, 4, 1, bias=True, rng=rng), L.Conv2d(channels, 3, 1, rng=rng)
    model = L.Sequential(ends[0], layer, ends[1]).to(dtype=np.float64)
    x = rng.standard_normal((4, 2, 5, 6))
    dy = upstream(copy.deepcopy(model), x, rng, train)
    expected = run(copy.deepcopy(model), x, dy, train)
    for settings in ({"threads": 1}, {"threads": 3}, {"input_gradient": False}):
        found = run(minires.compile(copy.deepcopy(model), **settings), x, dy, train)
        if "input_gradient" in settings:
            assert found.pop("dx") is None
            found["dx"] = expected["dx"]
        assert_same(found, expected, 1e-11)


def _channels(layer, x):
    """Channels of what the layer makes of x."""
    return layer.to(dtype=np.float64)(x).shape[1]


FRONTS = {
    "identity": lambda: L.Identity(),
    "relu": lambda: L.ReLU(),
    "dropout": lambda: L.Dropout(0.3, rng=0),
    "slice": lambda: L.Sequential(L.SliceChannels(0, 2), L.PadChannels(1, 1)),
    "concat": lambda: L.Concat(a=L.Identity(), b=_conv()),
    "concat twice the same": lambda: L.Concat(a=L.Identity(), b=L.Identity()),
    "gate": lambda: L.Gate(_conv(), L.Sequential(_conv(), L.Sigmoid())),
    "gate of the input": lambda: L.Gate(L.Identity(), L.Sigmoid(), exclusive=False),
    "gate of pools": lambda: L.Gate(L.Sequential(_pool(), _pool()), L.Sequential(_conv(), L.Sigmoid())),
    "excite": lambda: L.SqueezeExcite(L.Sequential(L.GlobalAvgPool2d(), L.Conv2d(4, 4, 1, rng=0), L.Sigmoid())),
    "excite without parameters": lambda: L.SqueezeExcite(L.Sequential(L.GlobalAvgPool2d(), L.Sigmoid())),
    "residual of the input": lambda: L.Residual(L.Identity(), L.Identity()),
    "residual with relu": lambda: L.Residual(L.Sequential(_conv(), L.ReLU()), L.ReLU()),
    "residual subsampled": lambda: L.Residual(_conv(6, stride=2), L.Sequential(L.Subsample(2), L.PadChannels(1, 1))),
    "pad, subsample, norm": lambda: L.Sequential(L.PadChannels(1, 1), L.Subsample(2), L.BatchNorm2d(6)),
    "norm of norm": lambda: L.Sequential(L.BatchNorm2d(4), L.BatchNorm2d(4)),
    "norm, relu, pool": lambda: L.Sequential(L.BatchNorm2d(4), L.ReLU(), L.MaxPool2d(3, stride=2, padding=1)),
    "convolution of convolution": lambda: L.Sequential(_conv(), _conv(), L.Conv2d(4, 4, 5, padding=2, rng=0)),
    "nothing": lambda: L.Sequential(),
}


def _pool():
    return L.AvgPool2d(3, stride=1, padding=1)


def _conv(out=4, stride=1):
    return L.Conv2d(4, out, 3, stride=stride, padding=1, rng=0)


@pytest.mark.parametrize("train", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("name", FRONTS)
def test_at_the_front_and_alone(name, train):
    """With and without the gradient of the input, which some of them need on the way to a parameter."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((3, 4, 7, 5))
    for model in (FRONTS[name](), L.Sequential(FRONTS[name](), L.Conv2d(_channels(FRONTS[name](), x), 3, 3, rng=0))):
        model.to(dtype=np.float64)
        dy = upstream(copy.deepcopy(model), x, rng, train)
        expected = run(copy.deepcopy(model), x, dy, train)
        assert_same(run(minires.compile(copy.deepcopy(model)), x, dy, train), expected, 1e-11)
        found = run(minires.compile(copy.deepcopy(model), input_gradient=False), x, dy, train)
        assert found.pop("dx") is None
        del expected["dx"]
        assert_same(found, expected, 1e-11)
        assert np.allclose(minires.compile(model)(x), model(x), rtol=0, atol=1e-11)


def test_layers_that_are_used_twice():
    conv, norm = _conv(), L.BatchNorm2d(4)
    model = L.Sequential(conv, norm, L.ReLU(), conv, norm, L.Residual(L.Sequential(conv, L.ReLU())))
    model.to(dtype=np.float64)
    rng = np.random.default_rng(0)
    x, dy = rng.standard_normal((2, 3, 4, 9, 7))
    expected = run(copy.deepcopy(model), x, dy, True)
    assert_same(run(minires.compile(copy.deepcopy(model)), x, dy, True), expected, 1e-11)
    assert np.allclose(minires.compile(model)(x), model(x), rtol=0, atol=1e-11)
