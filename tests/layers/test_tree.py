"""What a layer holds: in attributes, lists, tuples and dicts, at any depth, under paths that lead back to it."""

import copy
import math
import threading

import numpy as np
import pytest

from minires import check_layer, gradcheck
from minires.errors import DTypeError, GradientError, RangeError, StateError
from minires.layers import Dropout, Layer, Linear, Param, ReLU, Residual, Sequential, Tanh
from minires.layers.known import kind_of
from minires.layers.tree import join
from minires.models.transfer import freeze_but
from minires.train import SGD

RNG = np.random.default_rng(0)


class Holder(Layer):
    """y = x times all weights, wherever they are."""

    def __init__(self, **held):
        vars(self).update(held)

    def _weights(self):
        return [p for _, p in self.params()]

    def forward(self, x, train=False):
        for p in self._weights():
            x = x * p.data
        return x, x

    def backward(self, dy, cache):
        product = math.prod(p.data for p in self._weights())
        for p in self._weights():
            p.grad += (dy * cache).sum(axis=0) / p.data
        return dy * product


def param(seed=0):
    return Param(np.random.default_rng(seed).uniform(1, 2, 3))


HELD = {
    "list": (lambda: {"ws": [param(0), param(1)]}, ["ws.0", "ws.1"]),
    "tuple": (lambda: {"ws": (param(0), param(1))}, ["ws.0", "ws.1"]),
    "dict": (lambda: {"ws": {"a": param(0), 7: param(1)}}, ["ws.a", "ws.7"]),
    "deeper": (lambda: {"ws": {"a": [param(0), (param(1),)]}, "w": param(2)}, ["ws.a.0", "ws.a.1.0", "w"]),
}


@pytest.mark.parametrize("name", HELD)
def test_parameters_are_found_wherever_they_are(name):
    make, paths = HELD[name]
    layer = Holder(**make())
    assert [path for path, _ in layer.params()] == paths
    assert all(p.data.dtype == np.float32 for _, p in copy.deepcopy(layer).to(dtype=np.float32).params())
    assert gradcheck(layer, RNG.standard_normal((4, 3))).worst_error < 1e-12
    check_layer(lambda: Holder(**make()), RNG.standard_normal((4, 3)))
    before = [p.data.copy() for _, p in layer.params()]
    for _, p in layer.params():
        p.grad[...] = 1
    SGD(layer.params(), 0.1).step()
    assert all((p.data != old).all() for (_, p), old in zip(layer.params(), before))


class SevenTimes(Holder):
    def backward(self, dy, cache):
        dx = super().backward(dy, cache)
        for p in self._weights():
            p.grad *= 7
        return dx


def test_a_wrong_gradient_in_a_list_is_refused():
    with pytest.raises(GradientError, match=r"SevenTimes: ws\.0\.grad\[\d\] is"):
        gradcheck(SevenTimes(ws=[param()]), RNG.standard_normal((4, 3)))


class Convs(Layer):
    """Layers in containers of Python, one after the other."""

    def __init__(self, *layers, kind=list):
        self.stages = kind(layers)

    def forward(self, x, train=False):
        caches = []
        for layer in self.stages:
            x, cache = layer.forward(x, train)
            caches.append(cache)
        return x, caches

    def backward(self, dy, cache):
        for layer, one in zip(reversed(self.stages), reversed(cache)):
            dy = layer.backward(dy, one)
        return dy


@pytest.mark.parametrize("kind", [list, tuple])
def test_layers_in_a_list_have_paths_that_lead_back(kind):
    model = Convs(Linear(3, 4, rng=0), Sequential(ReLU(), Linear(4, 3, rng=1)), Dropout(0.5, rng=2), kind=kind)
    assert [path for path, _ in model.walk()] == ["", "stages.0", "stages.1", "stages.1.0", "stages.1.1", "stages.2"]
    assert all(model.at(path) is layer for path, layer in model.walk())
    assert [path for path, _ in model.generators()] == ["stages.2.rng"]
    with pytest.raises(RangeError, match=r"no layer at 'stages.1.7': stages.1 \(Sequential\) holds 0, 1, not '7'"):
        model.at("stages.1.7")
    with pytest.raises(RangeError, match=r"no layer at 'stages': the model \(Convs\) holds stages.0, stages.1"):
        model.at("stages")
    freeze_but(model, "stages.1")
    assert [path for path, p in model.params() if not p.frozen] == ["stages.1.1.weight", "stages.1.1.bias"]
    new = ReLU()
    model.set_child("stages.2", new)
    assert model.at("stages.2") is new and isinstance(model.stages, kind) and len(model.stages) == 3
    with pytest.raises(RangeError, match="no child called 'stages.3', the children are stages.0, stages.1, stages.2"):
        model.set_child("stages.3", new)


def test_a_set_has_no_order_and_is_refused():
    with pytest.raises(DTypeError, match="Holder: ws is a set, which has no order .* write them as a list"):
        list(Holder(ws={param()}).params())
    with pytest.raises(DTypeError, match="Holder: ws.0.a is a set, which has no order"):
        list(Holder(ws=[{"a": {param()}}]).params())
    assert not list(Holder(words={"a", "b"}).params())


def test_layers_beside_those_of_a_container_are_found_and_make_it_another():
    class Net(Sequential):
        def __init__(self):
            super().__init__(Linear(3, 3, rng=0))
            self.aux = Linear(3, 2, rng=1)

    net = Net()
    assert [path for path, _ in net.params()] == ["0.weight", "0.bias", "aux.weight", "aux.bias"]
    assert kind_of(net) is None
    new = Linear(3, 5, rng=2)
    net.set_child("aux", new)
    assert net.aux is new and list(net.layers) == ["0"]
    assert (net(np.ones((1, 3), np.float32)) == net["0"](np.ones((1, 3), np.float32))).all()


def test_a_module_in_a_layer_is_shared_and_what_cannot_be_copied_is_named():
    class Uses(ReLU):
        def __init__(self, what):
            self.what = what

    check_layer(lambda: Uses(np), RNG.standard_normal((2, 3)))
    assert copy.deepcopy(Uses(np)).what is np
    with pytest.raises(StateError, match="Uses: the attribute what holds a lock that cannot be copied"):
        gradcheck(Uses(threading.Lock()), RNG.standard_normal((2, 3)))


def test_copies_share_nothing_and_keep_what_is_shared_inside():
    shared = Linear(3, 3, rng=0)
    model = Residual(Sequential(shared, shared))
    model.own = model
    twin = copy.deepcopy(model)
    assert twin.branch[0] is twin.branch[1] is not shared and twin.own is twin
    assert not np.shares_memory(twin.branch[0].weight.data, shared.weight.data)


def test_join():
    assert [join("a", "b"), join("", "b"), join("a", ""), join("", "")] == ["a.b", "b", "a", ""]


def test_a_path_leads_to_the_layer_of_that_number_and_no_other():
    layer = Holder(ws=[Linear(3, 3, rng=i) for i in range(12)])
    for i in (1, 10, 11):
        assert layer.at(f"ws.{i}") is layer.ws[i]
    layer.set_child("ws.10", relu := ReLU())
    assert layer.ws[10] is relu and isinstance(layer.ws[1], Linear)


def test_a_parameter_beside_numbers_is_found():
    assert [path for path, _ in Holder(ws=(3, param(), "name")).params()] == ["ws.1"]


def nest():
    a, b, c, d, e = (Linear(3, 3, rng=i) for i in range(5))
    return {"a": [a, (b, ReLU())], 7: c, "b": {"c": {"d": d}}, "e": (e,)}


@pytest.mark.parametrize("at", range(6))
def test_a_child_at_any_depth_is_replaced_and_all_else_stays(at):
    layer = Holder(ws=nest(), other=ReLU())
    containers = lambda: [type(value) for value in layer.ws.values() if not isinstance(value, Layer)]
    before, kinds = dict(layer.children()), containers()
    path = ["ws.a.0", "ws.a.1.0", "ws.a.1.1", "ws.7", "ws.b.c.d", "ws.e.0"][at]
    layer.set_child(path, new := Tanh())
    assert dict(layer.children()) == before | {path: new}
    assert containers() == kinds and list(layer.ws) == ["a", 7, "b", "e"]
