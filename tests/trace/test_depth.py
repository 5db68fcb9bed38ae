"""Gradients by depth, against the layers' own backward."""

import copy

import numpy as np
import pytest
from conftest import np_of
from oracles.trunks import VARIANTS

import minires
from minires import models
from minires.errors import StateError
from minires.layers import Conv2d, Linear, ReLU, Sequential
from minires.losses import SoftmaxCrossEntropy
from minires.trace import gradient_norms

RNG = np.random.default_rng(0)
X = RNG.standard_normal((4, 2, 6, 6))
DY = RNG.standard_normal((4, 3))


def size(a):
    return float(np.sqrt((np_of(a).astype(np.float64) ** 2).sum()))


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("name", VARIANTS)
def test_parameters_have_the_gradients_of_the_model(name, train):
    model = VARIANTS[name]()
    twin = copy.deepcopy(model)
    dx = twin.backward(DY, twin.forward(X, train)[1])
    found = gradient_norms(model, X, dy=DY, train=train)
    assert found[0].dx == pytest.approx(size(dx), rel=1e-13) and found[-1].dy == pytest.approx(size(DY))
    named = {f"{one.path}.{param}": value for one in found for param, value in one.params.items()}
    assert named == pytest.approx({path: size(p.grad) for path, p in twin.params()}, rel=1e-13)
    assert all(not p.grad.any() for _, p in model.params())


def test_a_chain_by_hand(xp, device):
    layers = Linear(3, 5, rng=0), ReLU(), Linear(5, 3, rng=1)
    model = Sequential(*layers).to(device=device)
    x, dy = (xp.asarray(RNG.standard_normal((2, 3)).astype(np.float32)) for _ in range(2))
    caches, y = [], x
    for layer in layers:
        y, cache = layer.forward(y, True)
        caches.append(cache)
    expected, u = [], dy
    for layer, cache in zip(layers[::-1], caches[::-1]):
        expected.append((size(layer.backward(u, cache)), size(u)))
        u = layer.backward(u, cache)
    found = gradient_norms(model, x, dy=dy)
    assert [(one.path, one.kind) for one in found] == [("0", "Linear"), ("1", "ReLU"), ("2", "Linear")]
    assert np.allclose([(one.dx, one.dy) for one in found], expected[::-1], rtol=1e-6)
    assert [list(one.params) for one in found] == [["weight", "bias"], [], ["weight", "bias"]]


def test_a_layer_that_runs_twice_comes_twice():
    shared = Linear(3, 3, rng=0).to(dtype=np.float64)
    found = gradient_norms(Sequential(shared, ReLU(), shared), X[:, 0, 0, :3], dy=DY)
    assert [one.path for one in found] == ["0", "0", "1"]
    assert found[0].params == found[1].params and found[0].dx != found[1].dx


def test_at_the_start_plain_gradients_explode_with_batch_norm():
    """First over last convolution: hundreds in the plain network of 56 layers, about one in the residual one."""
    x, labels = RNG.standard_normal((8, 3, 16, 16)).astype(np.float32), np.arange(8)

    def first_over_last(name, seed):
        convs = [one for one in gradient_norms(models.build(name, rng=seed), x, labels) if one.kind == "Conv2d"]
        return convs[0].params["weight"] / convs[-1].params["weight"]

    for seed in (0, 1):
        assert first_over_last("plain56", seed) > 100 > 10 > first_over_last("resnet56", seed)


def test_a_compiled_and_a_frozen_model_are_measured_as_their_definition():
    model = models.build("resnet8", rng=0)
    x, labels = RNG.standard_normal((2, 3, 8, 8)).astype(np.float32), np.array([1, 2])
    expected = gradient_norms(model, x, labels)
    assert gradient_norms(minires.compile(model), x, labels) == expected
    assert gradient_norms(model.freeze(), x, labels, loss=SoftmaxCrossEntropy()) == expected
    assert sum(one.kind == Conv2d.__name__ for one in expected) == 7


@pytest.mark.parametrize("given", [{}, {"labels": np.zeros(4, int), "dy": DY}])
def test_labels_or_dy(given):
    with pytest.raises(StateError, match="neither|both"):
        gradient_norms(VARIANTS["original A"](), X, **given)


def test_gradients_and_freezing_of_before_do_not_count():
    model = Sequential(Linear(3, 3, rng=0), ReLU()).to(dtype=np.float64)
    x = X[:, 0, 0, :3]
    expected = gradient_norms(model, x, dy=DY)
    for _, p in model.params():
        p.grad[...] = 7
    assert gradient_norms(model.freeze(), x, dy=DY) == expected
    assert all((p.grad == 7).all() and p.frozen for _, p in model.params())
