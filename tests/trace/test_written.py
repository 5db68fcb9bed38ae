"""Containers of a user: opened where one forward tells what they do, else one step, and never taken for what they are
not. The trees are random, out of known containers, subclasses, wrappers, blocks by hand, shared and compiled layers.
"""

import copy
import json
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minires
from minires.errors import MiniresError, StateError
from minires.layers import (
    BatchNorm2d,
    Concat,
    Conv2d,
    Dropout,
    Fork,
    Gate,
    Identity,
    Layer,
    ReLU,
    Residual,
    Scale,
    Sequential,
    Sigmoid,
    Tanh,
)
from minires.layers import observe
from minires.models.transfer import features
from minires.trace import audit, trace
from minires.trace.trunk import Trunk
from minires.trace.written import read_written

RNG = np.random.default_rng(0)
X = RNG.standard_normal((2, 3, 4, 4))
DY = RNG.standard_normal(X.shape)


def conv(seed=0):
    return Conv2d(3, 3, 3, padding=1, rng=seed).to(dtype=np.float64)


class Twice(Sequential):
    """A chain no more: y = 2 f(x)."""

    def forward(self, x, train=False):
        y, cache = super().forward(x, train)
        return 2 * y, cache

    def backward(self, dy, cache):
        return super().backward(2 * dy, cache)


class Reversed(Sequential):
    """dx is taken by a backward of its own: 3 J^T dy, which is not the derivative."""

    def backward(self, dy, cache):
        return 3 * super().backward(dy, cache)


class Called(Sequential):
    def __call__(self, x):
        return super().__call__(x) + 1


class Halved(Residual):
    """terms of its own: y = h(x) + f(x) / 2."""

    def forward(self, x, train=False):
        h, a = self.shortcut.forward(x, train)
        f, b = self.branch.forward(x, train)
        return h + f / 2, (a, b)

    def terms(self, dy, cache):
        return super().terms(dy, cache) | {"branch": self.branch.backward(dy / 2, cache[1])}


class Net(Layer):
    """A class around a network."""

    def __init__(self, body):
        self.body = body

    def forward(self, x, train=False):
        return self.body.forward(x, train)

    def backward(self, dy, cache):
        return self.body.backward(dy, cache)


class Chain(Layer):
    """Layers in attributes, one after the other."""

    def __init__(self, first, second):
        self.first, self.second = first, second

    def forward(self, x, train=False):
        x, a = self.first.forward(x, train)
        x, b = self.second.forward(x, train)
        return x, (a, b)

    def backward(self, dy, cache):
        return self.first.backward(self.second.backward(dy, cache[1]), cache[0])


class Block(Layer):
    """A residual block as one writes it: relu(x + f(x))."""

    def __init__(self, conv1, conv2, down=None):
        self.conv1, self.conv2, self.relu = conv1, conv2, ReLU()
        if down is not None:
            self.down = down

    def forward(self, x, train=False):
        f, a = self.conv1.forward(x, train)
        f, b = self.conv2.forward(f, train)
        h, d = self.down.forward(x, train) if hasattr(self, "down") else (x, None)
        y, c = self.relu.forward(h + f, train)
        return y, (a, b, c, d)

    def backward(self, dy, cache):
        a, b, c, d = cache
        dy = self.relu.backward(dy, c)
        dh = self.down.backward(dy, d) if hasattr(self, "down") else dy
        return dh + self.conv1.backward(self.conv2.backward(dy, b), a)


class Forgets(Block):
    """Its backward forgets the shortcut: no residual block, whatever its forward is."""

    def backward(self, dy, cache):
        a, b, c, _ = cache
        return self.conv1.backward(self.conv2.backward(self.relu.backward(dy, c), b), a)


class Product(Layer):
    """y = x f(x): what it does with its child is no chain and no sum."""

    def __init__(self, f):
        self.f = f

    def forward(self, x, train=False):
        y, cache = self.f.forward(x, train)
        return x * y, (x, y, cache)

    def backward(self, dy, cache):
        x, y, cache = cache
        return y * dy + self.f.backward(x * dy, cache)


class Skip(Fork):
    """A fork whose shortcut has another name."""

    def __init__(self, branch):
        self.branch = branch

    def forward(self, x, train=False):
        f, cache = self.branch.forward(x, train)
        return x + f, cache

    def terms(self, dy, cache):
        return {"skip": dy, "branch": self.branch.backward(dy, cache)}


def own_dx(model, x=X, dy=DY, train=True):
    model = copy.deepcopy(model)
    return model.backward(dy, model.forward(x, train)[1])


def found(model):
    return [(block.path, list(block.terms)) for block in trace(model, X, dy=DY).blocks]


BOTH = ["shortcut", "branch"]


@pytest.mark.parametrize(
    ("model", "blocks"),
    [
        (Net(Sequential(conv(), Residual(conv()), ReLU(), Residual(conv()))), [("body.1", BOTH), ("body.3", BOTH)]),
        (Net(Net(Residual(conv()))), [("body.body", BOTH)]),
        (Chain(Residual(conv()), Residual(conv())), [("first", BOTH), ("second", BOTH)]),
        (Block(conv(), conv(1)), [("", BOTH)]),
        (Sequential(Block(conv(), conv(1)), Block(conv(), conv(1), down=conv(2))), [("0", BOTH), ("1", BOTH)]),
        (
            Sequential(stem=conv(), body=Sequential(Block(conv(), conv(1)), Residual(ReLU()))),
            [("body.0", BOTH), ("body.1", BOTH)],
        ),
        (minires.compile(Sequential(Residual(conv()), ReLU())), [("0", BOTH)]),
        (Sequential(minires.compile(Sequential(Residual(conv()))), Residual(Tanh())), [("0.0", BOTH), ("1", BOTH)]),
        (Sequential(Halved(conv()), Residual(conv())), [("0", BOTH), ("1", BOTH)]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_blocks_are_found_where_that_can_be_known(model, blocks):
    ledger = trace(model, X, dy=DY)
    assert [(block.path, list(block.terms)) for block in ledger.blocks] == blocks
    assert ledger.notes == [] and ledger.closure_error < 1e-13
    assert np.abs(ledger.dx - own_dx(model)).max() < 1e-13 * np.abs(ledger.dx).max()
    assert len(audit(ledger).paths) == len(blocks)


def test_a_compiled_model_whose_definition_is_compiled_is_opened_to_the_bottom():
    outer = minires.compile(ReLU())
    outer.definition = minires.compile(Sequential(Residual(conv())))
    assert found(outer) == [("0", BOTH)]


def test_the_terms_of_a_block_by_hand_are_those_of_the_block_of_minires():
    parts = conv(), conv(1)
    one = trace(Sequential(Block(*parts)), X, dy=DY)
    other = trace(Sequential(Sequential(Residual(Sequential(*parts)), ReLU())), X, dy=DY)
    for name in BOTH:
        assert np.array_equal(one.blocks[0].terms[name], other.blocks[0].terms[name])
    assert [(b.kind, b.path) for b in audit(one).breaks[0]] == [("ReLU", "0.relu")]


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            Sequential(conv(), Product(Sequential(Residual(conv()), Residual(conv())))),
            r"Product \(1\) is not a container that minires knows: its 2 forks do not lie on the trunk; write it with",
        ),
        (
            Product(Residual(conv())),
            "Product is not a container that minires knows: its fork does not lie on the trunk",
        ),
        (Sequential(Twice(Residual(conv()))), r"Twice \(0\) is not a container that minires knows: its fork does not"),
        (Sequential(conv(), Product(conv())), r"Product \(1\) is not .* knows: a shortcut inside would not lie on the"),
        (
            Sequential(Skip(conv())),
            r"Skip \(0\) has the terms skip, branch, none of them called 'shortcut', so nothing",
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_cannot_be_known_is_said(model, message):
    ledger = trace(model, X, dy=DY)
    (note,) = ledger.notes
    assert re.search(message, note)
    assert note in " ".join(ledger.table().split()) and json.loads(ledger.to_json())["notes"] == [note]
    assert np.array_equal(ledger.dx, own_dx(model))
    if not ledger.blocks:
        with pytest.raises(StateError, match=message):
            audit(ledger)


@pytest.mark.parametrize(
    "model",
    [
        Sequential(Twice(b=Residual(conv()), d=ReLU())),
        Sequential(Reversed(Residual(conv()), Residual(conv()))),
        Sequential(conv(), Forgets(conv(), conv(1)), Residual(conv())),
        Reversed(Residual(conv())),
    ],
    ids=lambda model: type(model).__name__,
)
def test_methods_of_the_user_are_run(model):
    ledger = trace(model, X, dy=DY)
    assert np.array_equal(ledger.dx, own_dx(model))
    assert len(ledger.notes) == 1


def test_a_block_that_forgets_its_shortcut_is_none():
    ledger = trace(Sequential(Forgets(conv(), conv(1)), Residual(conv())), X, dy=DY)
    assert [block.path for block in ledger.blocks] == ["1"]
    assert "Forgets (0)" in ledger.notes[0]


class Nudged(Chain):
    """The sum in its forward differs from x + f(x) in one bit of one entry, which no bound would see."""

    def forward(self, x, train=False):
        f, cache = super().forward(x, train)
        y = x + f
        y.flat[5] = np.nextafter(y.flat[5], np.inf)
        return y, cache

    def backward(self, dy, cache):
        return dy + super().backward(dy, cache)


class Idle(Chain):
    """Runs its first layer alone."""

    def forward(self, x, train=False):
        return self.first.forward(x, train)

    def backward(self, dy, cache):
        return self.first.backward(dy, cache)


class Again(Net):
    """y = x + f(f(x)): a layer that runs twice has no place of its own on the way."""

    def forward(self, x, train=False):
        y, a = self.body.forward(x, train)
        y, b = self.body.forward(y, train)
        return x + y, (a, b)

    def backward(self, dy, cache):
        return dy + self.body.backward(self.body.backward(dy, cache[1]), cache[0])


@pytest.mark.parametrize(
    "model",
    [Nudged(conv(), conv(1)), Idle(conv(), Residual(conv(1))), Again(conv())],
    ids=lambda model: type(model).__name__,
)
def test_what_is_no_chain_and_no_sum_to_the_bit_stays_one_step(model):
    assert read_written(model, X, True) == {}
    ledger = trace(Sequential(model, Residual(conv())), X, dy=DY)
    assert [block.path for block in ledger.blocks] == ["1"]
    assert len(ledger.notes) == 1 and f"{type(model).__name__} (0)" in ledger.notes[0]
    assert np.array_equal(ledger.dx, own_dx(Sequential(model, Residual(conv()))))


def test_random_states_of_containers_by_hand_are_those_of_the_model():
    model = Sequential(Block(Dropout(0.5, rng=3), conv(1)), Residual(Dropout(0.5, rng=4)))
    ledger = trace(model, X, dy=DY)
    assert len(ledger.blocks) == 2 and np.array_equal(ledger.dx, own_dx(model))


class Moody(Sequential):
    """Computes something else each time."""

    count = [0]

    def forward(self, x, train=False):
        self.count[0] += 1
        y, cache = super().forward(x, train)
        return self.count[0] * y, (self.count[0], cache)

    def backward(self, dy, cache):
        return super().backward(cache[0] * dy, cache[1])


def test_a_trunk_that_is_not_the_model_is_refused(monkeypatch):
    with pytest.raises(StateError, match=r"Sequential: the trunk gives a y that is off by .* do not do the same each"):
        trace(Sequential(Moody(conv())), X, dy=DY)
    monkeypatch.setattr(Trunk, "gradients", lambda self, dy: [(self.chain[0], dy, 1.001 * own_dx(self.model))])
    with pytest.raises(StateError, match="the trunk gives a dx that is off by 1.0e-03 .* accepted 1e-12"):
        trace(Sequential(conv()), X, dy=DY)


# random trees: each layer keeps the shape of X
LEAVES = st.sampled_from(
    [
        conv,
        lambda: conv(1),
        ReLU,
        Tanh,
        Identity,
        lambda: Scale(0.7),
        lambda: Dropout(0.3, rng=5),
        lambda: BatchNorm2d(3).to(dtype=np.float64),
    ]
).map(lambda make: make())
SHARED = conv(7)


def containers(inner):
    chains = st.lists(inner, min_size=1, max_size=3)
    known = st.one_of(
        chains.map(lambda layers: Sequential(*layers)),
        inner.map(Residual),
        st.builds(Residual, inner, inner),
        inner.map(lambda layer: Gate(layer, Sequential(conv(2), Sigmoid()))),
        inner.map(lambda layer: Sequential(Concat(shortcut=Identity(), branch=layer), narrow(6))),
    )
    users = st.one_of(
        *(chains.map(lambda layers, kind=kind: kind(*layers)) for kind in (Twice, Reversed, Called)),
        inner.map(Halved),
        inner.map(Skip),
        inner.map(Net),
        inner.map(Product),
        st.builds(Chain, inner, inner),
        st.builds(Block, inner, inner),
        st.builds(Block, inner, inner, inner),
        st.builds(Forgets, inner, inner),
    )
    return st.one_of(known, users, inner.map(minires.compile), st.just(SHARED))


def narrow(channels):
    return Conv2d(channels, 3, 1, rng=0).to(dtype=np.float64)


TREES = st.recursive(LEAVES, containers, max_leaves=8)


@given(TREES, st.booleans())
@settings(max_examples=200)
def test_any_tree_is_traced_truly_or_refused(model, train):
    expected = own_dx(model, train=train)
    try:
        ledger = trace(model, X, dy=DY, train=train)
    except MiniresError as error:
        assert isinstance(error, StateError) and "backward" in str(error) or "forward" in str(error)
        return
    scale = np.linalg.norm(expected) or 1
    assert np.linalg.norm(ledger.dx - expected) <= 1e-12 * scale
    for block in ledger.blocks:
        assert block.balance_error < 1e-12 or "Reversed" in repr(model)
    if ledger.blocks:
        audit(ledger)


@given(TREES)
@settings(max_examples=100)
def test_any_tree_gives_the_same_features_and_the_same_when_watched_or_compiled(model):
    y = copy.deepcopy(model).forward(X)[0]
    seen = {}
    observed = observe(model, lambda path, layer, x, y: seen.setdefault(path, y)).forward(X)[0]
    assert np.allclose(observed, y, rtol=1e-12, atol=1e-12)  # what is watched is not compiled
    for path in seen:
        try:
            part = features(model, path)
        except MiniresError:
            continue
        assert np.allclose(part.forward(X)[0], seen[path], rtol=1e-12, atol=1e-12), path
    assert np.allclose(minires.compile(model).forward(X)[0], y, rtol=1e-9, atol=1e-10)
