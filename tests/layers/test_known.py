"""Which layers run by the methods of minires."""

import copy

import numpy as np
import pytest

from minires.cases import CASES, case
from minires.layers import BatchNorm2d, Conv2d, Layer, ReLU, Residual, Sequential
from minires.layers.known import kind_of


class Named(Sequential):
    """Says more about itself, and builds itself: still a chain."""

    def __init__(self, **layers):
        super().__init__(**layers)

    def describe(self):
        return "mine"

    def __repr__(self):
        return "mine"

    def summary(self):
        return len(self)


class Forward(Sequential):
    def forward(self, x, train=False):
        return super().forward(x, train)


class Backward(Sequential):
    def backward(self, dy, cache):
        return super().backward(dy, cache)


class Call(Sequential):
    def __call__(self, x):
        return super().__call__(x)


class Children(Sequential):
    def children(self):
        return iter(())


class Terms(Residual):
    def terms(self, dy, cache):
        return super().terms(dy, cache)


class ShortcutTerm(Residual):
    def shortcut_term(self, dy, cache):
        return 2 * super().shortcut_term(dy, cache)


class Tracking(BatchNorm2d):
    def _track(self, mean, unbiased_var):
        """Nothing: the running statistics stay."""


class Beside(Sequential):
    """Holds a layer beside those of the chain, which no forward of minires runs."""

    def __init__(self, *layers):
        super().__init__(*layers)
        self.beside = [ReLU()]


class Below(Forward):
    pass


class Mixin:
    def forward(self, x, train=False):
        return x, None


class Mixed(Mixin, Sequential):
    pass


class Own(Layer):
    pass


class Conv(Conv2d):
    def padded(self):
        return self.padding


@pytest.mark.parametrize("name", CASES)
def test_every_layer_of_minires_is_what_it_is(name):
    make, _ = case(name, 0)
    layer = make()
    if type(layer).__module__.startswith("minires.layers"):
        assert kind_of(layer) is type(layer)
        assert kind_of(copy.deepcopy(layer)) is type(layer)


@pytest.mark.parametrize(
    ("layer", "kind"),
    [
        (Named(a=ReLU()), Sequential),
        *((kind(ReLU()), None) for kind in (Forward, Backward, Call, Children, Below, Mixed)),
        (Terms(ReLU()), None),
        (ShortcutTerm(ReLU()), None),
        (Tracking(3), None),
        (Beside(ReLU()), None),
        (Own(), None),
        (Conv(1, 1, 1, rng=0), Conv2d),
    ],
    ids=lambda value: getattr(value, "__name__", type(value).__name__),
)
def test_an_overridden_method_makes_another_layer(layer, kind):
    assert kind_of(layer) is kind


@pytest.mark.parametrize("method", ["forward", "backward", "__call__", "children"])
def test_a_hook_on_the_instance_counts(method):
    layer = Sequential(ReLU())
    setattr(layer, method, getattr(layer, method))
    assert kind_of(layer) is None
    delattr(layer, method)
    assert kind_of(layer) is Sequential


@pytest.mark.parametrize(("patched", "method"), [(ReLU, "backward"), (Sequential, "forward"), (Layer, "walk")])
def test_a_patched_class_counts(monkeypatch, patched, method):
    layer = patched() if patched is not Layer else ReLU()
    method_of = getattr(patched, method)
    monkeypatch.setattr(patched, method, lambda self, *args: method_of(self, *args))
    assert kind_of(layer) is None
    monkeypatch.undo()
    assert kind_of(layer) is type(layer)


@pytest.mark.parametrize("make", [Forward, Mixed, Call])
def test_inference_never_passes_by_an_overridden_forward(make):
    class Twice(make):
        def forward(self, x, train=False):
            y, cache = super().forward(x, train)
            return 2 * y, cache

    x = np.ones((2, 3))
    assert (Twice(ReLU())(x) == Twice(ReLU()).forward(x)[0]).all() and (Twice(ReLU())(x) == 2).all()
    hooked = Sequential(ReLU())
    hooked.forward = lambda x, train=False: (x + 1, None)
    assert (hooked(x) == 2).all()
