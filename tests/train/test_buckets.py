"""Gradients are added over the ranks while backward goes on, and are whole when they are."""

import numpy as np
import pytest
from train.test_ranks import MAKES
from train.thread_comm import on_threads

import minires
from minires.errors import ShapeError
from minires.layers import Dropout, Flatten, Linear, Param, ReLU, Residual, Sequential, Tanh
from minires.losses import SoftmaxCrossEntropy
from minires.train import SGD
from minires.train.buckets import Buckets, backward
from minires.train.ranks import Ranks
from minires.train.shared import shared_step


def twice():
    """A chain that has one layer at two places."""
    inner = Linear(6, 6, rng=1)
    return Sequential(flat=Flatten(), a=Linear(64, 6, rng=0), b=inner, relu=ReLU(), c=inner, d=Linear(6, 10, rng=2))


def no_chain():
    return Residual(Sequential(Linear(8, 8, rng=0), Tanh()))


NETWORKS = MAKES | {"twice": twice}


@pytest.mark.parametrize("engine", ["reference", "compiled"])
@pytest.mark.parametrize("name", NETWORKS)
def test_each_gradient_is_announced_once_when_it_is_whole(name, engine):
    model, rng = NETWORKS[name](), np.random.default_rng(0)
    for _, layer in model.walk():
        if isinstance(layer, Dropout):
            layer.p = 0.0
    network = minires.compile(model) if engine == "compiled" else model
    x = rng.standard_normal((5, 1, 8, 8)).astype(np.float32)
    y, cache = network.forward(x, train=True)
    dy = rng.standard_normal(y.shape).astype(np.float32)
    model.zero_grads()
    seen = []
    backward(network, dy, cache, lambda params: seen.append([(p, p.grad.copy()) for p in params]))
    announced = [pair for group in seen for pair in group]
    assert sorted(id(p) for p, _ in announced) == sorted(id(p) for _, p in model.params())
    assert sum(map(bool, seen)) >= 3, "in several parts"
    found = {id(p): p.grad.copy() for p, _ in announced}
    for p, grad in announced:
        np.testing.assert_array_equal(grad, p.grad)
    model.zero_grads()
    network.backward(dy, cache)
    assert all((found[id(p)] == p.grad).all() and p.grad.any() for _, p in model.params())


def test_an_error_of_backward_names_the_layer():
    model = Sequential(one=Sequential(a=Linear(3, 4, rng=0)), two=Linear(4, 2, rng=0))
    _, cache = model.forward(np.ones((2, 3), np.float32), train=True)
    with pytest.raises(ShapeError, match="^two "):
        backward(model, np.ones((2, 5), np.float32), cache, lambda params: None)


def params_of(rank, sizes=(3, 70_000, 5, 40_000, 90_000, 1)):
    params = [(f"p{i}", Param(np.zeros(size, np.float64 if i == 2 else np.float32))) for i, size in enumerate(sizes)]
    for i, (_, p) in enumerate(params):
        p.grad[...] = np.random.default_rng((rank, i)).standard_normal(p.grad.shape)
    return params


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_sums_are_right_in_whatever_order_the_ranks_are_ready(size, ordered):
    def work(comm):
        params = params_of(comm.rank)
        buckets = Buckets(params, Ranks(comm, ordered=ordered))
        assert len(buckets.all) == 5, "two that are large enough, and another type between small ones"
        buckets.begin()
        params[0][1].grad = params[0][1].grad.copy()  # as a layer may that writes grad = grad + ...
        for i in np.random.default_rng(comm.rank).permutation(len(params))[: 2 * comm.rank]:
            buckets.ready([params[i][1]])
        buckets.finish()
        return [p.grad.copy() for _, p in params]

    expected = [p.grad for _, p in params_of(0)]
    for rank in range(1, size):
        for total, (_, p) in zip(expected, params_of(rank)):
            total += p.grad
    for found in on_threads(size, work):
        for grad, total in zip(found, expected):
            if ordered or size == 1:
                np.testing.assert_array_equal(grad, total)
            else:
                np.testing.assert_allclose(grad, total, rtol=1e-4, atol=1e-6)


def test_messages_go_while_backward_does():
    """The messages of the last layers have begun when the first layer gets its gradient."""

    def work(comm):
        sizes = [300, 300, 300, 300]
        layers = {f"l{i}": Linear(n, 300, rng=i) for i, n in enumerate(sizes)}
        begun, model = [], Sequential(flat=Flatten(), **layers, last=Linear(300, 10, rng=9))
        buckets = Buckets(model.params(), Ranks(comm))

        class First(Linear):
            def backward(self, dy, cache):
                begun.append(buckets.begun)
                return super().backward(dy, cache)

        first = First(300, 300, rng=0)
        first.weight, first.bias = model.at("l0").weight, model.at("l0").bias
        model.set_child("l0", first)
        x = np.random.default_rng(comm.rank).standard_normal((4, 300)).astype(np.float32)
        shared_step(model, SoftmaxCrossEntropy(), SGD(model.params(), 0.1), [(x, np.arange(4))], 0.1, buckets)
        return len(buckets.all), *begun

    assert on_threads(2, work) == [(4, 3), (4, 3)]


def test_a_network_that_is_no_chain_is_added_up_at_the_end():
    def work(comm):
        model = no_chain()
        buckets = Buckets(model.params(), Ranks(comm))
        x = np.random.default_rng(comm.rank).standard_normal((2, 8)).astype(np.float32)
        y, cache = model.forward(x, train=True)
        buckets.begin()
        backward(model, np.cos(y), cache, buckets.ready)
        buckets.finish()
        return [p.grad.copy() for _, p in model.params()]

    expected = []
    for rank in range(3):
        model = no_chain()
        x = np.random.default_rng(rank).standard_normal((2, 8)).astype(np.float32)
        y, cache = model.forward(x, train=True)
        model.backward(np.cos(y), cache)
        expected.append([p.grad for _, p in model.params()])
    for found in on_threads(3, work):
        for grad, parts in zip(found, zip(*expected)):
            np.testing.assert_array_equal(grad, parts[0] + parts[1] + parts[2])
