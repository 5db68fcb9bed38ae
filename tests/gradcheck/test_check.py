"""gradcheck as a whole: what it accepts, what it refuses, what it reports, and that it touches nothing."""

import numpy as np
import pytest
from oracles.norm_loops import batch_norm_train

from minires.cases import CASES, case
from minires.errors import DTypeError, GradientError, NumericError, RangeError, ShapeError
from minires.gradcheck import Output, Report, check, gradcheck
from minires.layers import BatchNorm2d, Conv2d, Dropout, Flatten, Layer, Linear, Param, ReLU, Residual, Sequential

IMAGES = (3, 4, 5, 6)


def draw(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


class NoGradient(BatchNorm2d):
    """dx = 0: wrong, but right for every degenerate dy."""

    def backward(self, dy, cache):
        return 0 * super().backward(dy, cache)


@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_complex_steps_and_differences_accept_right_layers(name, train):
    make, x = case(name, 3)
    exact = gradcheck(make(), x, train=train)
    near = gradcheck(make(), x, train=train, method="central")
    assert exact.worst_error < 1e-14 and near.worst_error < 1e-5
    assert [e.name for e in exact.outputs] == [e.name for e in near.outputs] == ["x", *(n for n, _ in make().params())]


@pytest.mark.parametrize("name", ["Linear", "Conv2d grouped", "Residual", "MaxPool2d", "SoftmaxCrossEntropy"])
def test_each_accepts_right_layers(name):
    make, x = case(name, 0)
    x = x[:1] if name in ("Conv2d grouped", "MaxPool2d") else x
    report = gradcheck(make(), x, each=True)
    assert report.worst_error < 1e-14 and len(report.outputs) == 1 + len(list(make().params()))


# upstream gradients that are functions of the output y, (3, 4, 5, 6), affine in each channel
DEGENERATE = {
    "ones, of the loss y.sum()": lambda y: np.ones(y.shape),
    "zeros": lambda y: np.zeros(y.shape),
    "2 y, of the loss (y**2).sum()": lambda y: 2 * y,
    "another factor and shift a channel": lambda y: y * draw(4, 1, 1) + draw(4, 1, 1, seed=1),
    "one number a channel": lambda y: 0 * y + draw(4, 1, 1),
    "2 y in float32": lambda y: 2 * y.astype(np.float32),
}


@pytest.mark.parametrize("name", DEGENERATE)
def test_refuses_degenerate_upstream_gradients(name):
    x = draw(*IMAGES).astype(np.float32)
    y = BatchNorm2d(4).forward(x, True)[0].astype(np.float64)
    with pytest.raises(RangeError, match=r"BatchNorm2d: dy is (uniform|proportional).*use a random one"):
        gradcheck(BatchNorm2d(4), x, dy=DEGENERATE[name](y))


def test_refuses_a_uniform_upstream_gradient_of_few_values():
    with pytest.raises(RangeError, match="Linear: dy is uniform, 1 everywhere"):
        gradcheck(Linear(3, 2, rng=0), draw(2, 3), dy=np.ones((2, 2)))


@pytest.mark.parametrize("name", [name for name in DEGENERATE if "float32" not in name])
def test_a_backward_that_returns_zeros_would_pass_with_them(name, monkeypatch):
    """The true gradient, from loops over the explicit Jacobian, is all but zero, and the check alone would accept 0."""
    degenerate, x, gamma, beta = DEGENERATE[name], draw(*IMAGES), draw(4, seed=1), draw(4, seed=2)

    def true(dy):
        return batch_norm_train(x, dy, gamma, beta, np.zeros(4), np.ones(4), momentum=0.1, eps=1e-8)

    y = true(x)["y"]
    assert abs(true(degenerate(y))["dx"]).max() < 1e-6
    assert abs(true(draw(*IMAGES, seed=3))["dx"]).max() > 1

    layer = NoGradient(4, eps=1e-8)
    monkeypatch.setattr(check, "refuse_degenerate", lambda dy, y, layer: None)
    y = check.Probe(layer, x, True, "complex", np.random.default_rng(0)).y
    gradcheck(layer, x, dy=degenerate(y), tol=1e-6)
    with pytest.raises(GradientError, match="dx"):
        gradcheck(layer, x, tol=1e-6)


@pytest.mark.parametrize("directions", [1, 3])
def test_an_input_drawn_from_the_same_seed_is_not_the_upstream_gradient(directions):
    """dy = x would be proportional to the output of a normalisation."""

    class Normalise(Layer):
        def forward(self, x, train=False):
            centred = x - x.mean(axis=0)
            return centred / np.sqrt((centred * centred).mean(axis=0)), x.shape

        def backward(self, dy, cache):
            return np.zeros(cache)

    with pytest.raises(GradientError):
        gradcheck(Normalise(), draw(9, 4), seed=0, directions=directions)


def test_takes_a_generic_upstream_gradient():
    layer, x = Sequential(Conv2d(4, 2, 3, rng=0), BatchNorm2d(2)), draw(*IMAGES)
    assert gradcheck(layer, x, dy=draw(3, 2, 3, 4, seed=1)).worst_error < 1e-14
    with pytest.raises(GradientError):
        gradcheck(NoGradient(4), x, dy=draw(*IMAGES, seed=1))


def test_refuses_arguments_that_do_not_fit():
    layer, x = Linear(3, 2, rng=0), draw(4, 3)
    with pytest.raises(ShapeError, match=r"dy has shape \(4, 3\), the output has \(4, 2\)"):
        gradcheck(layer, x, dy=draw(4, 3))
    with pytest.raises(RangeError, match="method is 'forward', expected 'complex', 'central' or 'auto'"):
        gradcheck(layer, x, method="forward")
    with pytest.raises(DTypeError, match="input is int64"):
        gradcheck(layer, np.arange(12).reshape(4, 3))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_refuses_an_input_that_is_not_finite(bad):
    x = draw(4, 3)
    x[1, 2] = bad
    with pytest.raises(NumericError, match=rf"Linear: x is {bad} at \[1, 2\]"):
        gradcheck(Linear(3, 2, rng=0), x)


def test_frozen_parameters_have_no_gradient_to_check():
    layer = Sequential(conv=Conv2d(4, 2, 3, bias=True, rng=0).freeze(), norm=BatchNorm2d(2))
    for dtype in (np.float32, np.float64):
        report = gradcheck(layer, draw(*IMAGES).astype(dtype))
        assert [output.name for output in report.outputs] == ["x", "norm.gamma", "norm.beta"]


def test_refuses_an_output_that_is_not_finite():
    class NanInside(ReLU):
        def forward(self, x, train=False):
            y, cache = super().forward(x, train)
            y[2, 1] = np.nan
            return y, cache

    with pytest.raises(NumericError, match=r"NanInside: the output of forward is nan at \[2, 1\]"):
        gradcheck(NanInside(), draw(4, 3))


def test_reports_gradients_that_are_zero_whatever_dy_is():
    """Batch norm takes out what the bias before it adds."""
    layer = Sequential(conv=Conv2d(4, 2, 3, bias=True, rng=0), norm=BatchNorm2d(2))
    assert gradcheck(layer, draw(*IMAGES)).structurally_zero == ("conv.bias",)
    assert gradcheck(layer, draw(*IMAGES), train=False).structurally_zero == ()


def test_a_bias_before_batch_norm_with_a_gradient_is_refused():
    class Biased(Conv2d):
        def backward(self, dy, cache):
            dx = super().backward(dy, cache)
            self.bias.grad += 0.01
            return dx

    layer = Sequential(conv=Biased(4, 2, 3, bias=True, rng=0), norm=BatchNorm2d(2))
    with pytest.raises(GradientError, match=r"conv \(Biased\): bias\.grad\[[01]\]"):
        gradcheck(layer, draw(*IMAGES))


def test_the_report_is_a_table():
    report = Report("Net", "complex, train=True", (Output("x", 2e-16), Output("conv.bias", 3e-17, True)))
    assert str(report).splitlines() == [
        "Net: gradients agree (complex, train=True), worst relative error 2.0e-16",
        "  x          2.0e-16",
        "  conv.bias  3.0e-17  zero whatever dy is",
    ]
    assert (report.worst_error, report.structurally_zero) == (2e-16, ("conv.bias",))


@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nothing_that_is_given_changes(train, dtype):
    branch = Sequential(Conv2d(4, 4, 3, padding=1, bias=True, rng=0), BatchNorm2d(4), ReLU(), Dropout(0.5, rng=1))
    layer, x, dy = Sequential(Residual(branch), Flatten()).to(dtype=dtype), draw(*IMAGES).astype(dtype), draw(3, 120)
    for _, p in layer.params():
        p.grad += 1

    def everything():
        tensors = [(path, id(t), t.data.tobytes(), t.data.dtype) for path, t in layer.tensors()]
        grads = [p.grad.tobytes() for _, p in layer.params()]
        states = [str(rng.bit_generator.state) for _, rng in layer.generators()]
        return tensors, grads, states, x.tobytes(), dy.tobytes()

    before = everything()
    gradcheck(layer, x, train=train, dy=dy)
    gradcheck(layer, x, train=train, method="central", directions=1)
    assert everything() == before


def test_the_same_seed_gives_the_same_report():
    make, x = case("Residual", 0)
    assert gradcheck(make(), x, seed=4) == gradcheck(make(), x, seed=4)
    assert gradcheck(make(), x, seed=4) != gradcheck(make(), x, seed=5)


class TwiceTheGradient(Linear):
    """Wrong by a factor that no scale hides."""

    def backward(self, dy, cache):
        return 2 * super().backward(dy, cache)


@pytest.mark.parametrize("scale", [1e-160, 1e160, 1e290])
def test_numbers_whose_squares_are_no_numbers(scale):
    x = scale * draw(4, 3)
    linear = Linear(3, 2, bias=False, rng=0)  # beside a bias of usual size a small product is rounding
    for layer in (linear, ReLU(), Sequential(linear, ReLU())):
        for method in ("complex", "central"):
            assert gradcheck(layer, x, method=method).worst_error < 1e-5
    with pytest.raises(GradientError, match="dx.* the derivative of forward there is"):
        gradcheck(TwiceTheGradient(3, 2, bias=False, rng=0), x)
    with pytest.raises(RangeError, match="dy is uniform"):
        gradcheck(linear, x, dy=np.full((4, 2), scale))
    with pytest.raises(RangeError, match="dy is proportional to the output"):
        gradcheck(Flatten(), x, dy=x)


class Real(Layer):
    """y = w x for real w; of a complex one its forward loses the imaginary part, and says so by no dtype."""

    def __init__(self):
        self.w = Param(np.array([1.0, 2.0, 3.0]))

    def forward(self, x, train=False):
        return x * self.w.data.real + 0 * self.w.data, x

    def backward(self, dy, x):
        self.w.add_grad((dy * x).sum(axis=0))
        return dy * self.w.data


def test_auto_asks_every_array_whether_it_carries_complex_numbers():
    report = gradcheck(Real(), np.random.default_rng(0).standard_normal((4, 3)), method="auto")
    assert "central" in report.method and report.worst_error < 1e-5


class Lame(Layer):
    """y = 2 x; its dx is wrong in evaluation alone, at the last entry."""

    def forward(self, x, train=False):
        return 2 * x, train

    def backward(self, dy, train):
        dx = 2 * dy
        dx.flat[-1] *= 1 if train else 3
        return dx


@pytest.mark.parametrize("each", [False, True])
def test_a_part_is_checked_in_the_mode_of_the_whole(each):
    model, x = Sequential(Linear(3, 3, rng=0), Lame()), np.random.default_rng(0).standard_normal((4, 3))
    assert gradcheck(model, x, each=each).worst_error < 1e-10
    with pytest.raises(GradientError) as caught:
        gradcheck(model, x, train=False, each=each)
    assert tuple(caught.value.path) == ("1",)


def test_each_looks_at_the_last_entry():
    with pytest.raises(GradientError, match=r"dx\[3, 2\] is"):
        gradcheck(Lame(), np.random.default_rng(0).standard_normal((4, 3)), train=False, each=True)


class Masked(Layer):
    """y = x times (0, 1, 1): one part of the gradient is zero, not all."""

    def forward(self, x, train=False):
        return x * [0, 1, 1], None

    def backward(self, dy, cache):
        return dy * [0, 1, 1]


def test_a_gradient_that_is_zero_in_parts_is_not_structurally_zero():
    assert gradcheck(Masked(), np.random.default_rng(0).standard_normal((4, 3)), each=True).structurally_zero == ()
