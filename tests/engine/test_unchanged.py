"""Between two runs anything may change: the answer is that of the definition as it is now."""

import copy
import dataclasses
import time

import numpy as np
import pytest
from engine.changes import assert_as_definition, changes, outcome
from engine.equality import images, network

import minires
from minires import layers as L
from minires.cases import CASES, case
from minires.engine import unchanged
from minires.losses import SoftmaxCrossEntropy
from minires.train import SGD, train_step

MEMBERS = [
    "resnet8",
    "highway8",
    *(
        pytest.param(name, marks=pytest.mark.slow)
        for name in ("preact_resnet8", "seresnet8", "densenet_10_6", "resnext11_2x4d")
    ),
]


def between_convolutions(name):
    """(model, x): a row of CASES in the middle of a network, or alone where it takes no images."""
    make, x = case(name, 0)
    layer = make().to(dtype=np.float64)
    if x.ndim != 4:
        return L.Sequential(layer), x
    rng = np.random.default_rng(0)
    y = layer(x)
    after = [L.Conv2d(y.shape[1], 3, 1, rng=rng)] if y.ndim == 4 else []
    return L.Sequential(L.Conv2d(4, 4, 1, bias=True, rng=rng), layer, *after).to(dtype=np.float64), x


def walk(model, x):
    """Change one thing at a time in a compiled model that has run already; how many things.

    Of each kind of layer the last one, deep in the tree.
    """
    checked = 0
    for path in {type(layer): path for path, layer in model.walk()}.values():
        for name, change in changes(model.at(path)):
            fast = minires.compile(copy.deepcopy(model), threads=1)
            outcome(fast, x)
            change(fast.definition.at(path))
            try:
                assert_as_definition(fast, x)
            except AssertionError as error:
                raise AssertionError(f"{path} ({type(model.at(path)).__name__}), {name}: {error}") from None
            checked += 1
    return checked


@pytest.mark.parametrize("name", CASES)
def test_every_attribute_of_every_layer(name):
    model, x = between_convolutions(name)
    with np.errstate(all="ignore"):
        assert walk(model, x) > 4


@pytest.mark.parametrize("name", MEMBERS)
def test_every_attribute_of_each_kind_of_layer_in_a_network(name):
    with np.errstate(all="ignore"):
        assert walk(network(name), images(2, 2, 7, 7)) > 30


# --- planted faults: what a watch could forget


def _forget(part):
    return lambda patch: patch.setattr(unchanged, part, lambda *_: None)


def _without(**fields):
    """A watch whose fields are put to something else once it is made."""

    def plant(patch):
        make = unchanged.Watch.__init__

        def init(self, model, exact=False):
            make(self, model, exact)
            for name, value in fields.items():
                setattr(self, name, value(getattr(self, name)))

        patch.setattr(unchanged.Watch, "__init__", init)

    return plant


def _nothing(found):
    return []


def _first(found):
    return found[:1]


FAULTS = {
    "settings": _forget("_meaning"),
    "the children of containers": _without(_inside=_nothing),
    "the order of children": lambda patch: patch.setattr(unchanged, "_items", lambda v: sorted(map(str, v))),
    "attributes": _without(_values=lambda found: _Always()),
    "classes of layers": _without(_types=lambda found: _Always()),
    "methods of classes": _without(_classes=_nothing),
    "methods": lambda patch: patch.setattr(unchanged, "kind_of", lambda layer: 1),
    "the form of tensors": _forget("_forms"),
    "everything below the top": _without(_layers=_first, _types=_first, _values=_first, _inside=_first, _known=_first),
    "which model it is": lambda patch: patch.setattr(unchanged.Watch, "untouched", lambda self, model: True),
}


class _Always:
    def __eq__(self, other):
        return True


def _patch_relu(fast):
    L.ReLU.forward = lambda self, x, train=False: (np.where(x > 0, x, 0.1 * x), x > 0)


DEEP = {
    "set_child": lambda fast: fast.at("head").set_child("fc", L.Linear(64, 5, rng=1).to(dtype=np.float64)),
    "a stride": lambda fast: setattr(fast.at("stage2.0.add.branch.conv1"), "stride", (1, 1)),
    "an order": lambda fast: fast.at("stem").layers.update(conv=fast.at("stem").layers.pop("conv")),
    "a replaced order": lambda fast: setattr(fast.at("stem"), "layers", dict(reversed(fast.at("stem").layers.items()))),
    "a class": lambda fast: setattr(fast.at("stage1.0.relu"), "__class__", L.Tanh),
    "a patched class": _patch_relu,
    "a weight": lambda fast: setattr(fast.at("head.fc").weight, "data", np.ones((4, 64))),
    "a model": lambda fast: setattr(fast, "definition", network("plain8")),
}


@pytest.fixture
def relu():
    forward = L.ReLU.forward
    yield
    L.ReLU.forward = forward


@pytest.mark.parametrize("change", DEEP)
def test_deep_in_a_network(change, relu):
    fast = minires.compile(network("resnet8"))
    x = images(2, 2, 7, 7)
    outcome(fast, x)
    DEEP[change](fast)
    assert_as_definition(fast, x)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_watch_that_forgets_is_seen(fault, relu, monkeypatch):
    """The changes above see each planted fault; which one does is theirs to tell."""
    x, seen = images(2, 2, 7, 7), []
    for change in DEEP.values():
        with monkeypatch.context() as patch:
            FAULTS[fault](patch)
            forward = L.ReLU.forward
            fast = minires.compile(network("resnet8"))
            outcome(fast, x)
            change(fast)
            try:
                assert_as_definition(fast, x)
            except AssertionError as error:
                seen.append(error)
            L.ReLU.forward = forward
    assert seen


class Listed(L.Sequential):
    """A chain whose layers lie in lists."""

    HOLDER = None

    def __init__(self, *layers):
        self.parts, self.tuple = [{"a": list(layers[:1])}, layers[1]], ([layers[2]],)
        self.layers = {}

    children, __call__ = L.Layer.children, L.Layer.__call__

    def forward(self, x, train=False):
        caches = []
        for _, layer in self.children():
            x, cache = layer.forward(x, train)
            caches.append((layer, cache))
        return x, caches

    def backward(self, dy, caches):
        for layer, cache in reversed(caches):
            dy = layer.backward(dy, cache)
        return dy


INSIDE = {
    "a list in a dict in a list": lambda layer: layer.parts[0]["a"].__setitem__(0, L.Subsample(2)),
    "a list": lambda layer: layer.parts.__setitem__(1, L.Subsample(2)),
    "a list in a tuple": lambda layer: layer.tuple[0].__setitem__(0, L.Subsample(2)),
    "one more": lambda layer: layer.parts[0].update(b=L.Subsample(2)),
    "another of the same": lambda layer: setattr(layer, "parts", [{"a": [L.Subsample(2)]}, L.Subsample(2)]),
}


@pytest.mark.parametrize("change", INSIDE)
def test_layers_in_lists(change):
    listed = Listed(L.ReLU(), L.Tanh(), L.Scale(2.0))
    fast = minires.compile(L.Sequential(L.Conv2d(2, 3, 3, rng=0), listed, L.BatchNorm2d(3)).to(dtype=np.float64))
    x = images(2, 2, 7, 7)
    outcome(fast, x)
    INSIDE[change](listed)
    assert fast(x).shape == (2, 3, 2, 2) if change == "another of the same" else (2, 3, 3, 3)
    assert_as_definition(fast, x)


# --- what is no reason for new plans


def plans(fast):
    return [*map(id, fast._executors.values())]


def test_what_every_run_reads_anew_needs_no_new_plan():
    model = network("wrn_10_1", dropout=0.5)
    fast, x = minires.compile(model, threads=1), images(2, 2, 7, 7)
    outcome(fast, x)
    before = plans(fast)
    for _, layer in model.walk():
        for name, value in vars(layer).items():
            if isinstance(value, float):
                setattr(layer, name, 0.9 * value)
            elif isinstance(value, np.random.Generator):
                setattr(layer, name, np.random.default_rng(3))
    for _, tensor in model.tensors():
        tensor.data = 1.1 * tensor.data
    model.freeze()
    assert_as_definition(fast, x)
    assert plans(fast) == before
    model.at("stem.conv").note = 1  # who knows
    assert_as_definition(fast, x)


class Counting(L.Layer):
    """A layer of a user, with state of all sorts."""

    def __init__(self):
        self.calls, self.seen, self.last, self.list = 0, {}, None, []

    def forward(self, x, train=False):
        self.calls += 1
        self.last = x
        self.seen[x.shape] = self.seen.get(x.shape, 0) + 1
        self.list.append(x)
        return 2 * x, None

    def backward(self, dy, cache):
        return 2 * dy


def test_what_a_run_itself_changes_is_state():
    counting = Counting()
    model = L.Sequential(L.Conv2d(2, 3, 3, rng=0), counting, L.BatchNorm2d(3)).to(dtype=np.float64)
    fast, x = minires.compile(model), images(2, 2, 7, 7)
    for _ in range(2):
        outcome(fast, x)
    before, calls = plans(fast), counting.calls
    for _ in range(3):
        outcome(fast, x)
    assert plans(fast) == before
    assert counting.calls == calls + 9
    model.set_child("0", L.Conv2d(2, 3, 3, padding=2, rng=0).to(dtype=np.float64))
    assert_as_definition(fast, x)
    assert not set(plans(fast)) & set(before)


@dataclasses.dataclass
class Power(L.Layer):
    """Equal to every other of the same exponent."""

    exponent: int

    def forward(self, x, train=False):
        return x**self.exponent, x

    def backward(self, dy, x):
        return self.exponent * x ** (self.exponent - 1) * dy


def test_a_layer_that_only_equals_the_one_before():
    fast = minires.compile(L.Sequential(L.Conv2d(2, 3, 3, rng=0), Power(2), L.ReLU()).to(dtype=np.float64))
    x = images(2, 2, 7, 7)
    outcome(fast, x)
    fast.set_child("1", Power(2))
    outcome(fast, x)
    fast.at("1").exponent = 3
    assert_as_definition(fast, x)


class Moody(L.Layer):
    """Another shape whenever it likes."""

    every = 1

    def forward(self, x, train=False):
        return x[:, :, :: self.every + train], (x.shape, self.every + train)

    def backward(self, dy, cache):
        shape, every = cache
        dx = np.zeros(shape)
        dx[:, :, ::every] = dy
        return dx


def test_a_layer_of_the_user_that_changes_shapes_unseen():
    """Neither planned nor watched: what it gives is looked at, and the definition goes on."""
    model = L.Sequential(L.Conv2d(2, 3, 3, rng=0), Moody(), L.BatchNorm2d(3), L.ReLU()).to(dtype=np.float64)
    fast, x = minires.compile(model), images(2, 2, 7, 7)
    y, cache = fast.forward(x, True)
    assert y.shape == (2, 3, 3, 5)
    assert "the definition runs, because 1 gives (2, 3, 3, 5) here, and (3, 5, 5) for one image" in fast.describe()
    assert fast.backward(y, cache).shape == x.shape
    assert fast(x).shape == (2, 3, 5, 5)


def test_a_hook_sees_every_call_and_no_other():
    fast, x, seen = minires.compile(network("resnet8")), images(2, 2, 7, 7), []
    fast(x)
    conv = fast.at("stem.conv")
    forward = conv.forward
    conv.forward = lambda x, train=False: (seen.append(train), forward(x, train))[1]
    fast(x)
    fast.forward(x, True)
    assert seen == [False, True]
    assert "because stem.conv has a forward or backward on the instance" in fast.describe()
    del conv.forward
    fast(x)
    assert seen == [False, True] and "stem.conv " in fast.describe()


def test_a_frozen_model_notices_new_numbers():
    """Its filters are prepared once: other arrays, and floats, make it prepare them again."""
    fast, x = minires.compile(network("resnet8"), frozen=True), images(2, 2, 7, 7)
    fast(x)
    for change in (
        lambda: setattr(fast.at("stage1.0.add.branch.bn1"), "eps", 0.5),
        lambda: setattr(fast.at("stem.conv").weight, "data", 2 * fast.at("stem.conv").weight.data),
        lambda: setattr(fast.at("head").at("fc"), "bias", None),
    ):
        change()
        assert np.allclose(fast(x), fast.definition(x), rtol=0, atol=1e-10)


def test_settings_of_the_compiled_model_itself():
    fast, x = minires.compile(network("resnet8")), images(2, 2, 7, 7)
    y, cache = fast.forward(x, True)
    assert fast.backward(y, cache) is not None
    fast.input_gradient = False
    y, cache = fast.forward(x, True)
    assert fast.backward(y, cache) is None


def test_the_watch_costs_at_most_a_hundredth_of_a_step():
    """Of ResNet-20 on one image, its cheapest: measured in the time of this process, at its best."""
    model = minires.models.build("resnet20", rng=0)
    fast = minires.compile(model, threads=1, input_gradient=False)
    x, optimizer = images(1, 3, 32, 32, dtype=np.float32), SGD(model.params(), lr=1e-9)

    def best(call, count):
        call()
        took = []
        for _ in range(8):
            began = time.process_time()
            for _ in range(count):
                call()
            took.append((time.process_time() - began) / count)
        return min(took)

    step = best(lambda: train_step(fast, SoftmaxCrossEntropy(), optimizer, x, np.array([1]), 1e-9), 5)
    cost = best(lambda: fast._watch.untouched(model), 200)
    assert cost <= 0.01 * step, f"{1e6 * cost:.0f} of {1e6 * step:.0f} us"


def test_another_layer_of_the_same_form_is_another():
    """Its settings and the forms of its tensors are those of the layer before; its numbers are not."""
    fast, x = minires.compile(network("resnet8")), images(2, 2, 7, 7)
    outcome(fast, x)
    conv = copy.deepcopy(fast.at("stem.conv"))
    conv.weight.data = 2 + conv.weight.data
    fast.at("stem").set_child("conv", conv)
    assert_as_definition(fast, x)


def test_the_gradient_of_the_input_may_be_asked_for_later():
    model = minires.models.build("resnet8", rng=0)
    rng = np.random.default_rng(0)
    x, dy = rng.standard_normal((2, 3, 8, 8)).astype(np.float32), rng.standard_normal((2, 10)).astype(np.float32)
    fast = minires.compile(model, input_gradient=False)
    assert fast.backward(dy, fast.forward(x, True)[1]) is None
    fast.input_gradient = True
    dx, expected = (one.backward(dy, one.forward(x, True)[1]) for one in (fast, model))
    assert np.abs(dx - expected).max() < 1e-5 * np.abs(expected).max()
