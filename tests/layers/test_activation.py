"""Activations against functions of ``math`` and PyTorch, at kinks, at the ends of the number line and at NaN."""

import math

import numpy as np
import pytest
from conftest import to_xp
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import assert_close, assert_same, randomise, run
from oracles.pytorch import F
from oracles.scalar_maths import ACTIVATIONS, activation, prelu
from oracles.torch_answers import torch_run
from strategies import seeds

from minires.backend import to_numpy
from minires.errors import RangeError, ShapeError
from minires.layers import ELU, GELU, HardSwish, LeakyReLU, PReLU, ReLU, ReLU6, Sigmoid, SiLU, Tanh

MAKE = {
    "ReLU": ReLU,
    "ReLU6": ReLU6,
    "LeakyReLU": lambda: LeakyReLU(0.2),
    "ELU": lambda: ELU(1.5),
    "Sigmoid": Sigmoid,
    "Tanh": Tanh,
    "SiLU": SiLU,
    "GELU": GELU,
    "GELU by tanh": lambda: GELU("tanh"),
    "HardSwish": HardSwish,
}
KINKS = [0.0, -0.0, 3.0, -3.0, 6.0]
shapes = st.lists(st.integers(1, 4), min_size=1, max_size=4)

each = pytest.mark.parametrize("name", MAKE)


def inputs(shape, seed):
    """x and dy; about a third of the entries of x are kinks."""
    rng = np.random.default_rng(seed)
    x = np.where(rng.random(shape) < 0.3, rng.choice(KINKS, size=shape), rng.normal(scale=4, size=shape))
    return x, rng.normal(size=shape)


def torch_reference(name):
    return {
        "ReLU": F.relu,
        "ReLU6": F.relu6,
        "LeakyReLU": lambda x: F.leaky_relu(x, 0.2),
        "ELU": lambda x: F.elu(x, 1.5),
        "Sigmoid": F.sigmoid,
        "Tanh": F.tanh,
        "SiLU": F.silu,
        "GELU": F.gelu,
        "GELU by tanh": lambda x: F.gelu(x, approximate="tanh"),
        "HardSwish": F.hardswish,
    }[name]


@each
@given(shapes, seeds)
@settings(max_examples=30)
def test_equals_the_scalar_functions(name, shape, seed):
    x, dy = inputs(shape, seed)
    assert_same(run(MAKE[name](), x, dy), activation(name, x, dy))


@each
@given(shapes, seeds)
@settings(max_examples=30)
def test_equals_pytorch_at_kinks_too(name, shape, seed):
    reference = torch_reference(name)
    x, dy = inputs(shape, seed)
    assert_same(run(MAKE[name](), x, dy), torch_run(reference, x, dy))


@each
def test_float32_stays_float32_and_near_float64(name):
    x, dy = inputs((5, 40), 0)
    found = run(MAKE[name](), x.astype(np.float32), dy.astype(np.float32))
    assert {a.dtype for a in found.values()} == {np.dtype("float32")}
    assert_same(found, run(MAKE[name](), x, dy), 1e-6)


@each
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_extreme_inputs_neither_overflow_nor_warn(name, dtype):
    x = np.array([-1e4, -800, 800, 1e4], dtype)
    answer = run(MAKE[name](), x, np.ones_like(x))  # a warning is an error here
    assert np.isfinite(answer["y"]).all() and np.isfinite(answer["dx"]).all()


@pytest.mark.parametrize("name, closed", [("ReLU", -4), ("ReLU6", 7), ("ReLU6", -4), ("HardSwish", -4)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_closed_unit_stops_an_infinite_gradient(name, closed, dtype, xp):
    x, dy = (to_xp(xp, np.array(values, dtype)) for values in ([closed, 2], [np.inf, 1]))
    layer = MAKE[name]()
    dx = to_numpy(layer.backward(dy, layer.forward(x)[1]))
    assert dx[0] == 0 and np.isfinite(dx[1]) and dx[1] > 0


@pytest.mark.parametrize("name", ["ReLU", "ReLU6", "HardSwish", "ELU", "GELU", "GELU by tanh"])
def test_infinite_inputs(name):
    """A warning is an error here."""
    answer = run(MAKE[name](), np.array([-np.inf, np.inf, -3e38, 3e38], np.float32), np.ones(4, np.float32))
    below, above = (-1.5, np.inf) if name == "ELU" else (0, 6 if name == "ReLU6" else np.inf)
    assert answer["y"][:3].tolist() == [below, above, below]
    assert answer["dx"].tolist() == [0, name != "ReLU6"] * 2


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_elu_keeps_its_digits_near_zero_and_far_below(dtype, xp):
    x = np.array([-1e-8, -1e-3, -1, -20, -80], dtype)
    layer = ELU(1.5)
    y, cache = layer.forward(to_xp(xp, x))
    dx = layer.backward(to_xp(xp, np.ones_like(x)), cache)
    tolerance = 4 * np.finfo(dtype).eps
    np.testing.assert_allclose(to_numpy(y), [1.5 * math.expm1(v) for v in x], rtol=tolerance)
    np.testing.assert_allclose(to_numpy(dx), [1.5 * math.exp(v) for v in x], rtol=tolerance)


@each
def test_nan_is_seen(name):
    y = MAKE[name]()(np.array([1.0, np.nan, -1.0]))
    assert np.isnan(y).tolist() == [False, True, False]


def test_sigmoid_at_the_ends():
    y = Sigmoid()(np.array([-1e4, -40.0, 0.0, 40.0, 1e4]))
    assert y.tolist() == [0.0, np.exp(-40.0) / (1 + np.exp(-40.0)), 0.5, 1.0, 1.0]


@pytest.mark.parametrize("make", [lambda s: LeakyReLU(s), lambda s: ELU(s)])
def test_a_setting_of_numpy_does_not_widen_float32(make):
    x = np.array([-1, 1], np.float32)
    assert run(make(np.float64(0.3)), x, x)["dx"].dtype == np.float32


def a_prelu(channels, axes, seed):
    """(layer, x, dy); a fifth of x lies on the kink."""
    rng = np.random.default_rng(seed)
    layer = randomise(PReLU(channels), rng)
    x, dy = rng.normal(size=(2, 4, 3 if channels == 1 else channels, *axes))
    return layer, np.where(rng.random(x.shape) < 0.2, 0.0, x), dy


@pytest.mark.parametrize("channels", [1, 2, 3])
@given(st.lists(st.integers(1, 3), max_size=2), seeds)
@settings(max_examples=30)
def test_prelu_equals_the_loops(channels, axes, seed):
    layer, x, dy = a_prelu(channels, axes, seed)
    assert_same(run(layer, x, dy), prelu(x, dy, layer.weight.data))


@pytest.mark.parametrize("channels", [1, 3])
@given(st.lists(st.integers(1, 3), max_size=2), seeds)
@settings(max_examples=30)
def test_prelu_equals_pytorch(channels, axes, seed):
    layer, x, dy = a_prelu(channels, axes, seed)
    expected = torch_run(lambda x, weight: F.prelu(x, weight), x, dy, weight=layer.weight.data)
    assert_same(run(layer, x, dy), expected)


def test_settings_by_default_and_at_their_ends():
    x = np.array([-1.0, 2.0])
    assert LeakyReLU()(x).tolist() == [-0.01, 2] and abs(LeakyReLU(0)(x)).tolist() == [0, 2]
    assert ELU()(x) == pytest.approx([math.exp(-1) - 1, 2], rel=1e-15)


def test_prelu_starts_as_in_the_paper_and_learns_nothing_when_frozen():
    layer = PReLU(3)
    assert layer.weight.data.tolist() == [0.25] * 3 and layer.weight.data.dtype == np.float32
    assert PReLU(2, slope=np.float64(0.1)).weight.data.dtype == np.float32
    layer.freeze()
    x = -np.ones((2, 3), np.float32)
    assert run(layer, x, x)["weight"].tolist() == [0] * 3


@pytest.mark.parametrize("shape", [(4,), (4, 2), (4, 2, 3)])
def test_prelu_wants_its_channels(shape):
    with pytest.raises(ShapeError, match="PReLU: input has the shape .*expected 3 channels"):
        PReLU(3)(np.ones(shape, np.float32))
    with pytest.raises(ShapeError, match="expected 2 channels"):
        PReLU(2)(np.ones((4, 1), np.float32))


def test_gelu_far_below_is_small_and_not_nothing():
    x = np.array([-10.0, -20.0])
    np.testing.assert_allclose(GELU()(x), [v * math.erfc(-v / math.sqrt(2)) / 2 for v in x], rtol=1e-13)


@pytest.mark.parametrize("approximate", ["exact", None, True])
def test_gelu_has_two_forms(approximate):
    with pytest.raises(RangeError, match='GELU: approximate is .*, expected "none" or "tanh"'):
        GELU(approximate)


def test_every_activation_has_an_oracle():
    assert MAKE.keys() == ACTIVATIONS.keys()


def test_silu_and_hard_swish_are_close_to_each_other():
    x = np.linspace(-8, 8, 100)
    assert_close(HardSwish()(x), SiLU()(x), 0.02)
