"""Derivatives of forward: forwards that lose complex numbers, and kinks."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minires.errors import ContractError, GradientError, StateError
from minires.gradcheck import gradcheck
from minires.layers import Layer, Linear, MaxPool2d, ReLU, Sequential


def draw(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


class Function(Layer):
    """y = f(x), dx = dy df(x)."""

    def __init__(self, f, df):
        self.functions = f, df

    def forward(self, x, train=False):
        return self.functions[0](x), x

    def backward(self, dy, cache):
        return dy * self.functions[1](cache)


# forwards that do not carry complex numbers through: f, its derivative, and what the message says of it
REAL_ONLY = {
    "abs": (np.abs, np.sign, "forward returned float64"),
    "abs inside": (lambda x: x * np.abs(x), lambda x: 2 * np.abs(x), "forward loses imaginary parts"),
    "real part inside": (lambda x: x.real + 0 * x, lambda x: 1 + 0 * x, "forward loses imaginary parts"),
    "NaN": (lambda x: x * np.where(x.imag == 0, 1, np.nan), lambda x: 1 + 0 * x, "forward loses imaginary parts"),
    "raises": (np.cbrt, lambda x: 1 / (3 * np.cbrt(x) ** 2), "forward raised TypeError"),
    "casts": (lambda x: x.astype(np.float64) ** 2, lambda x: 2 * x, "forward raised ComplexWarning"),
}


def real_only(name, factor=1):
    f, df, _ = REAL_ONLY[name]
    return Function(f, lambda x: factor * df(x))


@pytest.mark.parametrize("name", REAL_ONLY)
def test_a_forward_without_complex_numbers_is_told_so_and_checked_by_differences(name):
    with pytest.raises(StateError, match=f"Function: .*{REAL_ONLY[name][2]}.*use method='auto'"):
        gradcheck(real_only(name), draw(3, 4))
    assert gradcheck(real_only(name), draw(3, 4), method="central").worst_error < 1e-6


@pytest.mark.parametrize("name", REAL_ONLY)
def test_the_part_that_loses_complex_numbers_is_named(name):
    model = Sequential(first=Linear(4, 4, rng=0), second=Sequential(real_only(name)))
    with pytest.raises(StateError, match=r"second\.0 \(Function\): "):
        gradcheck(model, draw(3, 4))


@pytest.mark.parametrize("name", REAL_ONLY)
def test_a_mistake_in_a_forward_without_complex_numbers_is_found_by_differences(name):
    with pytest.raises(GradientError, match=r"Function: dx\[\d, \d\] is .* central"):
        gradcheck(real_only(name, factor=1.01), draw(3, 4), method="central")


def test_a_slight_mistake_is_a_wrong_gradient_not_a_loss_of_complex_numbers():
    """Differences cannot tell it from the right gradient."""
    with pytest.raises(GradientError, match="Function: dx"):
        gradcheck(Function(np.exp, lambda x: np.exp(x) * (1 + 1e-7)), draw(3, 4))


def test_one_value_instead_of_a_pair():
    class OnlyY(ReLU):
        def forward(self, x, train=False):
            return super().forward(x, train)[0]

    with pytest.raises(ContractError, match=r"OnlyY: forward returned a ndarray, expected a pair \(y, cache\)"):
        gradcheck(OnlyY(), draw(3, 4))


steps = st.integers(-2, 2)
TIED = st.lists(steps, min_size=32, max_size=32).map(lambda a: np.array(a, float).reshape(1, 2, 4, 4))
METHODS = st.sampled_from(["complex", "central"])


class MaximumReLU(Layer):
    """As most people write it; NumPy orders complex numbers by their imaginary parts where the real ones are equal."""

    def forward(self, x, train=False):
        return np.maximum(x, 0), x > 0

    def backward(self, dy, cache):
        return dy * cache


class BlockMax(Layer):
    """2 x 2 max pooling by reshape and max."""

    share_ties = False

    def forward(self, x, train=False):
        n, c, h, w = x.shape
        blocks = x.reshape(n, c, h // 2, 2, w // 2, 2).transpose(0, 1, 2, 4, 3, 5).reshape(n, c, h // 2, w // 2, 4)
        y = blocks.max(axis=-1)
        largest = blocks == y[..., None]
        first = largest & (largest.cumsum(axis=-1) == 1)
        return y, largest if self.share_ties else first

    def backward(self, dy, cache):
        n, c, oh, ow, _ = cache.shape
        blocks = (dy[..., None] * cache).reshape(n, c, oh, ow, 2, 2)
        return blocks.transpose(0, 1, 2, 4, 3, 5).reshape(n, c, 2 * oh, 2 * ow)


@given(TIED, METHODS)
def test_kinks_and_ties_do_not_refuse_right_layers(x, method):
    for layer in (ReLU(), MaximumReLU(), MaxPool2d(2), MaxPool2d(3, stride=1, padding=1), BlockMax()):
        gradcheck(layer, x, method=method)


@given(TIED, METHODS, st.integers(0, 100))
def test_kinks_behind_other_layers_do_not_refuse_right_models(x, method, seed):
    model = Sequential(MaximumReLU(), BlockMax(), ReLU())
    gradcheck(model, x, method=method, seed=seed)


@pytest.mark.parametrize("method", ["complex", "central"])
def test_a_gradient_given_to_both_of_two_equal_pixels_is_refused(method):
    layer = BlockMax()
    gradcheck(layer, draw(1, 2, 4, 4), method=method)
    layer.share_ties = True
    gradcheck(layer, draw(1, 2, 4, 4), method=method)  # nothing to see without ties
    with pytest.raises(GradientError):
        gradcheck(layer, np.round(draw(1, 2, 4, 4)), method=method)


def test_a_gradient_wrong_at_the_kink_alone_is_refused():
    class AliveAtZero(ReLU):
        def forward(self, x, train=False):
            return super().forward(x, train)[0], x.real >= 0

    x = draw(3, 4)
    gradcheck(AliveAtZero(), x)
    x[1, 2] = 0
    with pytest.raises(GradientError, match=r"AliveAtZero: dx\[1, 2\] is .*, the derivative of forward there is 0 "):
        gradcheck(AliveAtZero(), x)


@pytest.mark.parametrize("name", REAL_ONLY)
def test_auto_takes_differences_where_it_must_and_says_so(name):
    report = gradcheck(real_only(name), draw(3, 4), method="auto")
    assert report.method == "central, train=True, as forward does not carry complex numbers"
    with pytest.raises(GradientError, match=r"Function: dx\[\d, \d\] is .* central") as caught:
        gradcheck(real_only(name, factor=1.01), draw(3, 4), method="auto")
    found, expected = (float(word) for word in re.findall(r"is (-?[0-9.e-]+)[ ,]", str(caught.value)))
    assert found / expected == pytest.approx(1.01, rel=1e-6)


@pytest.mark.parametrize("layer", [Linear(4, 3, rng=0), MaxPool2d(2), ReLU()], ids=lambda layer: type(layer).__name__)
def test_auto_takes_the_complex_step_where_it_can(layer):
    x = draw(2, 2, 4, 4) if isinstance(layer, MaxPool2d) else draw(3, 4)
    assert gradcheck(layer, x, method="auto").method == "complex, train=True"


def _doubled(dy):
    dy *= 2
    return dy


class WritesIntoDy(Layer):
    """The formula is right, and dy is changed under its caller."""

    def forward(self, x, train=False):
        return 2 * x, None

    def backward(self, dy, cache):
        return _doubled(dy)


class WritesIntoX(WritesIntoDy):
    def forward(self, x, train=False):
        return _doubled(x), None

    def backward(self, dy, cache):
        return 2 * dy


@pytest.mark.parametrize("method", ["complex", "central", "auto"])
@pytest.mark.parametrize(
    ("layer", "what"), [(WritesIntoDy(), "backward changes its dy: dy"), (WritesIntoX(), "forward changes its x: x")]
)
def test_a_changed_input_is_what_is_said(layer, what, method):
    with pytest.raises(GradientError, match=rf"{re.escape(what)}\[0, 0\] was \S+ and is \S+ after it") as e:
        gradcheck(Sequential(inner=layer), draw(3, 4), method=method)
    before, after = (float(word) for word in re.search(r"was (\S+) and is (\S+) after", str(e.value)).groups())
    assert after == pytest.approx(2 * before, rel=1e-8)
    assert str(e.value).startswith("inner (Writes") or what.startswith("forward")


@pytest.mark.parametrize("scale", [1e160, 1e-160, 1e150])
def test_sizes_whose_squares_are_no_floats(scale):
    assert gradcheck(Linear(3, 2, rng=0), scale * draw(4, 3)).worst_error < 1e-12
    with pytest.raises(GradientError):
        gradcheck(Function(lambda x: 2 * x, lambda x: 0 * x + 3), scale * draw(4, 3))
