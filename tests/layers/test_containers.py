"""Containers against explicit Jacobians of what they hold, and against PyTorch."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import assert_close, assert_same, jacobian, randomise, run, upstream, torch_answers
from strategies import LAYERS, containers, seeds

from minires.errors import DTypeError, ShapeError
from minires.layers import (
    BatchNorm2d,
    Concat,
    Conv2d,
    Flatten,
    Gate,
    GlobalAvgPool2d,
    Identity,
    Layer,
    Linear,
    ReLU,
    Residual,
    Scale,
    Sequential,
    Sigmoid,
    SqueezeExcite,
    Tanh,
)

KINDS = {kind.__name__: kind for kind in (Sequential, Residual, Concat, Gate, SqueezeExcite)}


def matrix_of(layer, x, train=False):
    """The Jacobian of ``layer`` at x by forward alone."""
    return jacobian(lambda z: layer.forward(z, train=train)[0], x)


def dense(features, rng):
    """A branch whose Jacobian is not symmetric."""
    return randomise(Sequential(Linear(features, features, rng=rng), Tanh()), rng)


def transposed(matrix, dy):
    return (matrix.T @ dy.ravel()).reshape(dy.shape)


@pytest.mark.parametrize("name", KINDS)
@given(st.data(), st.booleans(), seeds)
@settings(max_examples=20)
def test_dx_is_the_transposed_jacobian_of_forward(name, data, train, seed):
    layer, x = data.draw(LAYERS[name])
    dy = upstream(layer, x, np.random.default_rng(seed), train)
    expected = (matrix_of(layer, x, train).T @ dy.ravel()).reshape(x.shape)
    assert_close(run(layer, x, dy, train)["dx"], expected)


@pytest.mark.parametrize("name", ["Residual", "Concat", "Gate", "SqueezeExcite"])
@given(st.data(), seeds)
@settings(max_examples=20)
def test_backward_of_a_fork_is_the_sum_of_its_terms(name, data, seed):
    layer, x = data.draw(containers(KINDS[name]))
    dy = upstream(layer, x, np.random.default_rng(seed))
    _, cache = layer.forward(x)
    terms = layer.terms(dy, cache)
    assert all(term.shape == x.shape for term in terms.values())
    assert_close(layer.backward(dy, cache), sum(terms.values()), 0)


def test_sequential_applies_its_layers_in_order_and_their_transposes_in_reverse():
    rng = np.random.default_rng(0)
    a, b = dense(3, rng), dense(3, rng)
    x, dy = rng.normal(size=(2, 2, 3))
    answer = run(Sequential(a, b), x, dy)
    assert_close(answer["y"], b(a(x)))
    assert_close(answer["dx"], transposed(matrix_of(a, x), transposed(matrix_of(b, a(x)), dy)))


def test_residual_terms_are_one_and_the_branch():
    rng = np.random.default_rng(0)
    branch = dense(3, rng)
    x, dy = rng.normal(size=(2, 2, 3))
    layer = Residual(branch)
    y, cache = layer.forward(x)
    terms = layer.terms(dy, cache)
    assert_close(y, x + branch(x))
    assert list(terms) == ["shortcut", "branch"]
    assert_close(terms["shortcut"], dy, 0)
    assert_close(terms["branch"], transposed(matrix_of(branch, x), dy))


def test_residual_with_a_shortcut_of_its_own():
    rng = np.random.default_rng(0)
    branch, shortcut = dense(3, rng), Scale(0.5)
    x, dy = rng.normal(size=(2, 2, 3))
    answer = run(Residual(branch, shortcut), x, dy)
    assert_close(answer["y"], 0.5 * x + branch(x))
    assert_close(answer["dx"], 0.5 * dy + transposed(matrix_of(branch, x), dy))


def test_concat_stacks_channels_and_cuts_dy():
    rng = np.random.default_rng(0)
    branch = dense(3, rng)
    x, dy = rng.normal(size=(2, 3)), rng.normal(size=(2, 6))
    layer = Concat(shortcut=Identity(), branch=branch)
    y, cache = layer.forward(x)
    terms = layer.terms(dy, cache)
    assert_close(y, np.hstack([x, branch(x)]))
    assert_close(terms["shortcut"], dy[:, :3], 0)
    assert_close(terms["branch"], transposed(matrix_of(branch, x), dy[:, 3:].copy()))


def test_concat_of_one_branch_is_the_branch():
    rng = np.random.default_rng(0)
    branch = dense(3, rng)
    x, dy = rng.normal(size=(2, 2, 3))
    found = run(Concat(a=branch), x, dy)
    assert_close(found["y"], branch(x), 0)
    assert_close(found["dx"], transposed(matrix_of(branch, x), dy))


class Untouchable(Linear):
    """Its backward must not be called."""

    def backward(self, dy, cache):
        raise AssertionError("the branch was computed")


@pytest.mark.parametrize("before", [True, False])
def test_the_shortcut_term_of_concat_costs_no_branch(before):
    rng = np.random.default_rng(0)
    ways = {"branch": Untouchable(3, 4, rng=rng), "shortcut": Linear(3, 2, rng=rng)}
    layer = Concat(**ways if before else dict(reversed(ways.items()))).to(dtype=np.float64)
    x, dy = rng.normal(size=(2, 3)), rng.normal(size=(2, 6))
    _, cache = layer.forward(x)
    own = dy[:, 4:] if before else dy[:, :2]
    assert_close(layer.shortcut_term(dy, cache), own @ layer.branches["shortcut"].weight.data)
    with pytest.raises(ShapeError, match="Concat: dy has shape"):
        layer.shortcut_term(dy[:, 1:], cache)


def test_concat_without_a_shortcut_has_a_term_of_zeros():
    rng = np.random.default_rng(0)
    layer = Concat(a=dense(3, rng), b=dense(3, rng))
    x, dy = rng.normal(size=(2, 3)), rng.normal(size=(2, 6))
    assert_close(layer.shortcut_term(dy, layer.forward(x)[1]), np.zeros((2, 3)), 0)


@pytest.mark.parametrize("exclusive", [True, False])
def test_gate_has_three_terms(exclusive):
    rng = np.random.default_rng(0)
    branch = dense(3, rng)
    gate = randomise(Sequential(Linear(3, 3, rng=rng), Sigmoid()), rng)
    x, dy = rng.normal(size=(2, 2, 3))
    f, t = branch(x), gate(x)
    layer = Gate(branch, gate) if exclusive else Gate(branch, gate, exclusive=False)
    y, cache = layer.forward(x)
    terms = layer.terms(dy, cache)
    branch_t, gate_t = (lambda u: transposed(matrix_of(branch, x), u)), (lambda u: transposed(matrix_of(gate, x), u))
    assert_close(y, t * f + (1 - t) * x if exclusive else f + (1 - t) * x)
    assert_close(terms["shortcut"], (1 - t) * dy)
    assert_close(terms["branch"], branch_t(t * dy if exclusive else dy))
    assert_close(terms["gate"], gate_t((f - x if exclusive else -x) * dy))


@pytest.mark.parametrize("train", [True, False])
def test_a_residual_block_equals_pytorch(train):
    functional = torch_answers.torch.nn.functional
    rng = np.random.default_rng(0)
    branch = Sequential(
        conv1=Conv2d(3, 4, 3, stride=2, padding=1, rng=rng),
        norm1=BatchNorm2d(4),
        relu=ReLU(),
        conv2=Conv2d(4, 4, 3, padding=1, rng=rng),
        norm2=BatchNorm2d(4),
    )
    block = Sequential(add=Residual(branch, Conv2d(3, 4, 1, stride=2, rng=rng)), relu=ReLU())
    randomise(block, rng)
    x = rng.normal(size=(3, 3, 6, 6))
    dy = upstream(block, x, rng, train)
    running = {k: torch_answers.torch.tensor(t.data.copy()) for k, t in block.tensors() if "running" in k}

    def reference(x, **p):
        def norm(x, name):
            mean, var = (running[f"add.branch.{name}.{which}"] for which in ("running_mean", "running_var"))
            affine = p[f"add.branch.{name}.gamma"], p[f"add.branch.{name}.beta"]
            return functional.batch_norm(x, mean, var, *affine, training=train)

        f = norm(functional.conv2d(x, p["add.branch.conv1.weight"], stride=2, padding=1), "norm1")
        f = norm(functional.conv2d(functional.relu(f), p["add.branch.conv2.weight"], padding=1), "norm2")
        return functional.relu(functional.conv2d(x, p["add.shortcut.weight"], stride=2) + f)

    expected = torch_answers.torch_run(reference, x, dy, **{k: t.data for k, t in block.params()})
    expected |= {k: t.numpy() for k, t in running.items()}
    assert_same(run(block, x, dy, train), expected)


def squeeze(channels=4, hidden=2):
    convs = Conv2d(channels, hidden, 1, bias=True, rng=0), ReLU(), Conv2d(hidden, channels, 1, bias=True, rng=1)
    return SqueezeExcite(Sequential(GlobalAvgPool2d(), *convs, Sigmoid())).to(dtype=np.float64)


def test_the_two_terms_of_squeeze_and_excitation():
    """With dy = 1 in one entry: s in the scale term there alone, and the gate term at every pixel of the image."""
    layer, rng = squeeze(), np.random.default_rng(0)
    x = rng.normal(size=(2, 4, 3, 5))
    y, cache = layer.forward(x)
    s = layer.gate(x)
    np.testing.assert_allclose(y, s * x, rtol=1e-15)
    dy = np.zeros_like(y)
    dy[1, 2, 0, 4] = 1
    terms = layer.terms(dy, cache)
    assert list(terms) == ["scale", "gate"]
    assert np.count_nonzero(terms["scale"]) == 1 and terms["scale"][1, 2, 0, 4] == s[1, 2, 0, 0]
    assert not terms["gate"][0].any()
    assert np.ptp(terms["gate"][1], axis=(1, 2)).max() == 0  # a global mean treats all pixels alike
    np.testing.assert_array_equal(layer.backward(dy, cache), terms["scale"] + terms["gate"])


def test_a_gate_of_squeeze_and_excitation_gives_one_number_a_channel():
    x = np.zeros((2, 4, 3, 5))
    with pytest.raises(ShapeError, match=r"SqueezeExcite: the gate gives \(2, 4, 3, 5\), expected \(2, 4, 1, 1\)"):
        SqueezeExcite(Sigmoid())(x)
    with pytest.raises(ShapeError, match="let it begin with GlobalAvgPool2d and keep the channels"):
        SqueezeExcite(Sequential(GlobalAvgPool2d(), Conv2d(4, 3, 1, rng=0).to(dtype=np.float64)))(x)
    with pytest.raises(DTypeError, match="^SqueezeExcite: gate is .*, expected a Layer"):
        SqueezeExcite(Sigmoid)
    with pytest.raises(ShapeError, match=r"^SqueezeExcite: input has 3 axes .* expected 4 \(N, C, H, W\)"):
        squeeze()(x[0])
    with pytest.raises(ShapeError, match="gate.1 .Conv2d.: input has 4 channels"):
        squeeze(5)(x)


def test_a_gate_with_a_batch_norm_trains_only_when_it_is_told():
    norm = BatchNorm2d(4).to(dtype=np.float64)
    layer, x = (
        SqueezeExcite(Sequential(GlobalAvgPool2d(), norm, Sigmoid())),
        np.random.default_rng(0).random((3, 4, 2, 2)),
    )
    y, _ = layer.forward(x)
    assert not norm.running_mean.data.any() and np.array_equal(y, layer(x))
    layer.forward(x, True)
    assert_close(norm.running_mean.data, 0.1 * x.mean(axis=(0, 2, 3)))


def test_ways_of_another_number_of_axes_do_not_add():
    with pytest.raises(
        ShapeError, match=r"Residual: the branch gives \(2, 3\), the shortcut \(2, 3, 1, 1\) \(axis 2 diff"
    ):
        Residual(Flatten())(np.ones((2, 3, 1, 1)))


def test_inference_holds_no_caches():
    alive = []

    class Marker:
        def __init__(self):
            alive.append(1)

        def __del__(self):
            alive.pop()

    class Caching(Layer):
        def forward(self, x, train=False):
            seen.append(len(alive))
            return x, Marker()

    seen = []
    Sequential(Caching(), Caching(), Caching())(np.ones(1))
    assert seen == [0, 0, 0]


def test_layers_by_position_and_by_keyword():
    relu, tanh = ReLU(), Tanh()
    model = Sequential(relu, last=tanh)
    assert list(model.children()) == [("0", relu), ("last", tanh)]
    assert model[0] is model["0"] is relu
    assert model[-1] is model["last"] is tanh
    assert len(model) == 2


def test_an_empty_sequential_is_the_identity():
    x = np.arange(3.0)
    assert_same(run(Sequential(), x, 2 * x), {"y": x, "dx": 2 * x}, 0)
