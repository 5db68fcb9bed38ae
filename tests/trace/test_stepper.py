"""The step-through: what it records is what the model computes, bit for bit; how the place in the record moves."""

import copy

import numpy as np
import pytest
from conftest import np_of
from oracles import randomise

from minires import layers as L
from minires.errors import NumericError, RangeError, ShapeError
from minires.losses import MeanSquaredError, SoftmaxCrossEntropy
from minires.models import build
from minires.trace.stepper import Stepper


def conv_bn(c, rng):
    return L.Sequential(conv=L.Conv2d(c, c, 3, padding=1, rng=rng), bn=L.BatchNorm2d(c), relu=L.ReLU())


def nested(rng):
    inner = L.Residual(conv_bn(3, rng), L.Conv2d(3, 3, 1, rng=rng))
    return L.Sequential(outer=L.Residual(L.Sequential(inner=inner, last=L.Tanh())), relu=L.ReLU())


def gates(rng):
    gate = L.Sequential(L.Conv2d(3, 3, 1, bias=True, rng=rng), L.Sigmoid())
    return L.Sequential(L.Gate(conv_bn(3, rng), gate), L.Gate(conv_bn(3, rng), copy.deepcopy(gate), exclusive=False))


def dense(rng):
    narrow = L.Sequential(bn=L.BatchNorm2d(3), conv=L.Conv2d(3, 2, 3, padding=1, rng=rng))
    return L.Sequential(
        cat=L.Concat(shortcut=L.Identity(), branch=narrow, other=L.Conv2d(3, 1, 1, rng=rng)),
        drop=L.Dropout(0.3, rng=np.random.default_rng(5)),
        pool=L.GlobalAvgPool2d(),
        flat=L.Flatten(),
        fc=L.Linear(6, 4, rng=rng),
    )


def shared(rng):
    """Layers used more than once: a block under two names, a convolution as every branch of two forks."""
    block, conv = L.Residual(conv_bn(3, rng)), L.Conv2d(3, 3, 1, rng=rng)
    return L.Sequential(block, block, L.Residual(conv, conv), L.Concat(a=conv, b=conv))


MODELS = {
    **{f"resnet8 {option}": lambda rng, o=option: build("resnet8", rng=rng, shortcut=o) for option in "ABC"},
    "plain8": lambda rng: build("plain8", rng=rng),
    "nested": nested,
    "gates": gates,
    "dense": dense,
    "shared": shared,
}


def prepared(name, xp, device, dtype):
    rng = np.random.default_rng(0)
    model = randomise(MODELS[name](rng), rng, dtype).to(device=device)
    return model, xp.asarray(rng.normal(size=(4, 3, 6, 6)).astype(dtype)), rng


def state(model):
    """Everything that a run could change, as NumPy arrays and states."""
    arrays = {f"{path} data": np_of(t.data).copy() for path, t in model.tensors()}
    arrays |= {f"{path} grad": np_of(p.grad).copy() for path, p in model.params()}
    return arrays, {path: g.bit_generator.state for path, g in model.generators()}


def assert_state(model, expected):
    arrays, generators = state(model)
    assert generators == expected[1] and arrays.keys() == expected[0].keys()
    assert all(np.array_equal(a, expected[0][name], equal_nan=True) for name, a in arrays.items())


def small(**settings):
    """A resnet8 of four small images, with a loss."""
    x = np.random.default_rng(0).standard_normal((4, 3, 8, 8), dtype=np.float32)
    return Stepper(build("resnet8", rng=0, **settings), x, labels=np.array([0, 1, 2, 3]))


def places(stepper, move):
    """Where one kind of move leads, from here to its end."""
    found = []
    while move():
        found.append(stepper.where)
    return found


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("name", MODELS)
def test_the_record_is_bitwise_the_run_of_the_model_which_stays_as_it_is(name, train, dtype, xp, device):
    model, x, rng = prepared(name, xp, device, dtype)
    for _, p in model.params():
        p.grad += 1
    before = state(model)
    dy = xp.asarray(rng.normal(size=copy.deepcopy(model).forward(x, train)[0].shape).astype(dtype))
    s = Stepper(model, x, dy=dy, train=train)
    assert_state(model, before)

    model.zero_grads()
    y, cache = model.forward(x, train)
    dx = model.backward(dy, cache)
    ends = {e.phase: e for e in s.events if e.path == "" and e.moment == "end"}
    for found, expected in zip((ends["forward"].y, ends["backward"].dy, ends["backward"].dx), (y, dy, dx)):
        assert found.dtype == dtype and np.array_equal(found, np_of(expected))
    paths = dict((id(layer), path) for path, layer in reversed(list(model.walk())))
    for path, layer in model.walk():
        if paths[id(layer)] == path and name != "shared":
            end = next(e for e in s.events if (e.phase, e.path, e.moment) == ("backward", path, "end"))
            own = {key: np_of(value.grad) for key, value in vars(layer).items() if isinstance(value, L.Param)}
            assert end.grads.keys() == own.keys() == end.params.keys()
            assert all(np.array_equal(end.grads[key], grad) for key, grad in own.items())


def test_with_labels_the_loss_is_between_the_two_directions(xp, device):
    model, x, _ = prepared("dense", xp, device, np.float64)
    labels = xp.asarray(np.array([0, 3, 2, 1]))
    loss = SoftmaxCrossEntropy(0.1)
    s = Stepper(model, x, labels, loss=loss)
    y, cache = model.forward(x, True)
    value, loss_cache = loss.forward(y, labels)
    dx = model.backward(loss.backward(loss_cache), cache)
    assert s.until("loss") and (s.event.phase, s.where) == ("loss", "loss: loss (SoftmaxCrossEntropy)")
    assert np.array_equal(s.x, np_of(y)) and float(s.y) == float(value)
    assert np.array_equal(s.dx, np_of(loss.backward(loss_cache)))
    s.goto(len(s.events) - 1)
    assert np.array_equal(s.dx, np_of(dx))


def test_targets_of_another_loss():
    x, targets = np.random.default_rng(0).normal(size=(2, 5, 3))
    s = Stepper(L.Sequential(L.Linear(3, 3, rng=0).to(dtype=np.float64)), x, targets, loss=MeanSquaredError())
    s.until("loss")
    assert s.y == ((s.x - targets) ** 2).mean()


@pytest.mark.parametrize("name", MODELS)
def test_every_layer_is_there_in_both_directions_and_arrays_fit_together(name, xp, device):
    model, x, rng = prepared(name, xp, device, np.float64)
    dy = xp.asarray(rng.normal(size=copy.deepcopy(model).forward(x, True)[0].shape))
    s = Stepper(model, x, dy=dy)
    paths = [path for path, _ in model.walk()]
    for phase in ("forward", "backward"):
        assert sorted(e.path for e in s.events if e.phase == phase and e.moment == "end") == sorted(paths)
    forward = {e.path: e for e in s.events if e.phase == "forward" and e.moment == "end"}
    for e in s.events:
        assert all(a is None or not a.flags.writeable for a in e.arrays.values())
        if (e.phase, e.moment) == ("backward", "end"):
            assert e.x is forward[e.path].x and e.y is forward[e.path].y
            assert e.x.shape == e.dx.shape and e.y.shape == e.dy.shape
            is_fork = isinstance(dict(model.walk())[e.path], L.Fork)
            assert bool(e.terms) is is_fork
            if is_fork:
                assert np.array_equal(sum(e.terms.values()), e.dx)
                inner = {c.path: c for c in s.events if c.parent == e.begin and c.moment == "end"}
                children = {name: inner[f"{e.path}.{name}"].dx for name in e.terms if f"{e.path}.{name}" in inner}
                assert children and all(dx is e.terms[name] for name, dx in children.items())
        begin = s.events[e.begin]
        assert (begin.path, begin.phase, begin.end) == (e.path, e.phase, e.end)
        if e.parent is not None:
            around = s.events[e.parent]
            assert around.index < e.index < around.end and (around.path == "" or e.path.startswith(around.path + "."))


def test_a_layer_used_twice_adds_to_its_gradient_twice():
    conv = L.Conv2d(3, 3, 1, rng=0).to(dtype=np.float64)
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 4))
    s = Stepper(L.Sequential(conv, conv), x, dy=x)
    second, first = [e.grads["weight"] for e in s.events if e.phase == "backward" and e.path in "01" and e.path]
    hidden, one = conv.forward(x)
    _, two = conv.forward(hidden)
    dhidden = conv.backward(x, two)
    assert np.array_equal(second, conv.weight.grad)
    conv.backward(dhidden, one)
    np.testing.assert_allclose(first + second, conv.weight.grad, rtol=1e-13)


def test_a_frozen_parameter_has_no_gradient():
    model = L.Sequential(L.Linear(3, 2, rng=0).freeze())
    s = Stepper(model, np.ones((2, 3), np.float32), dy=np.ones((2, 2), np.float32))
    s.goto(4)
    assert s.where == "backward: 0 (Linear)" and s.grads == {} and s.params.keys() == {"weight", "bias"}


def test_step_goes_into_everything():
    s = Stepper(L.Sequential(add=L.Residual(L.ReLU())), np.ones((1, 2)), dy=np.ones((1, 2)))
    assert s.where == "forward: begin of the model (Sequential)"
    assert places(s, s.step) == [
        "forward: begin of add (Residual)",
        "forward: add.shortcut (Identity)",
        "forward: add.branch (ReLU)",
        "forward: end of add (Residual)",
        "forward: end of the model (Sequential)",
        "backward: begin of the model (Sequential)",
        "backward: begin of add (Residual)",
        "backward: add.branch (ReLU)",
        "backward: add.shortcut (Identity)",
        "backward: end of add (Residual)",
        "backward: end of the model (Sequential)",
    ]
    there = s.event
    assert not s.step() and not s.next() and not s.out() and s.event is there


def test_next_goes_over_a_container():
    s = small()
    s.step()
    assert places(s, s.next)[:7] == [
        "forward: end of stem (Sequential)",
        "forward: begin of stage1 (Sequential)",
        "forward: end of stage1 (Sequential)",
        "forward: begin of stage2 (Sequential)",
        "forward: end of stage2 (Sequential)",
        "forward: begin of stage3 (Sequential)",
        "forward: end of stage3 (Sequential)",
    ]
    s.goto(0)
    assert places(s, s.next) == [
        "forward: end of the model (Sequential)",
        "loss: loss (SoftmaxCrossEntropy)",
        "backward: begin of the model (Sequential)",
        "backward: end of the model (Sequential)",
    ]


def test_out_goes_to_the_end_of_what_is_around():
    s = small()
    s.until("stage2.0.add.branch.bn1")
    assert places(s, s.out) == [
        "forward: end of stage2.0.add.branch (Sequential)",
        "forward: end of stage2.0.add (Residual)",
        "forward: end of stage2.0 (Sequential)",
        "forward: end of stage2 (Sequential)",
        "forward: end of the model (Sequential)",
    ]
    s.until("stage2.0.add")
    assert s.out() and s.where == "backward: end of stage2.0.add (Residual)"
    s.until("loss")
    s.goto(0)
    s.until("loss")
    assert not s.out() and s.where.startswith("loss")


def test_back_undoes_step_from_every_stop():
    s = small()
    there = places(s, s.step)
    assert places(s, s.back)[::-1] == ["forward: begin of the model (Sequential)", *there[:-1]]
    assert not s.back() and s.index == 0


def test_goto_and_its_bounds():
    s = small()
    last = len(s.events) - 1
    assert s.goto(last) and s.index == last and not s.goto(last)
    for index in (-1, last + 1):
        with pytest.raises(RangeError, match=rf"stop {index} does not exist, expected 0 to {last}"):
            s.goto(index)


def test_until_a_layer_stops_where_it_begins_in_each_direction():
    s = small()
    assert places(s, lambda: s.until("stage2.0.add")) == [
        "forward: begin of stage2.0.add (Residual)",
        "backward: begin of stage2.0.add (Residual)",
    ]
    s.goto(0)
    assert places(s, lambda: s.until(" Linear ")) == ["forward: head.fc (Linear)", "backward: head.fc (Linear)"]
    there = s.index
    assert not s.until("Linear") and s.index == there


def test_until_a_condition_stops_at_the_first_event_that_meets_it():
    s = small()
    ratios = {
        e.index: np.linalg.norm(e.terms["branch"]) / np.linalg.norm(e.terms["shortcut"]) for e in s.events if e.terms
    }
    middle = sorted(ratios.values())[1]
    found = []
    while s.until(f"norm(branch) > {middle - 1e-3} * norm(shortcut)"):
        found.append(s.index)
    assert found == [index for index, ratio in ratios.items() if ratio >= middle] and len(found) == 2
    s.goto(0)
    assert s.until("norm(dweight) > 0") and s.where == "backward: head.fc (Linear)"
    s.goto(0)
    assert s.until("zeros(y) > .2") and s.where == "forward: stem.relu (ReLU)"


@pytest.mark.parametrize("goal", ["stage2.0.ad", "Conv3d", "norm(shortcut2) > 1", "gate", "", "norm(gate) < 1"])
def test_a_goal_that_is_nothing(goal):
    s = small()
    with pytest.raises(RangeError, match="^condition ") as caught:
        s.until(goal)
    assert s.index == 0
    if goal == "stage2.0.ad":
        assert "stage2.0.add" in str(caught.value)
    if goal == "Conv3d":
        assert "Conv2d" in str(caught.value)
    if "gate" in goal:
        assert "beta, bias, branch, dbeta, dbias, dgamma, dweight, dx, dy" in str(caught.value)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("path", ["stage2.0.add.branch.conv1", "stage3.0.add.branch.bn2", "head.fc"])
def test_the_first_that_is_not_finite(path, value):
    model = build("resnet8", rng=0)
    layer = dict(model.walk())[path]
    next(iter(p for _, p in layer.params())).data.flat[1] = value
    x = np.random.default_rng(0).standard_normal((4, 3, 8, 8), dtype=np.float32)
    s = Stepper(model, x, labels=np.arange(4))
    assert s.until("nonfinite") and (s.event.phase, s.event.path) == ("forward", path)
    assert np.isfinite(s.x).all() and not np.isfinite(s.y).all() and s.until("nonfinite(dx) > 0")


def test_a_gradient_that_is_not_finite():
    dy = np.ones((2, 2), np.float32)
    dy[1, 1] = np.nan
    s = Stepper(L.Sequential(L.Linear(3, 2, rng=0), L.ReLU()), np.ones((2, 3), np.float32), dy=dy)
    assert s.until("nonfinite") and s.where == "backward: begin of the model (Sequential)"


class Doubled(L.Layer):
    """A layer with a mistake that needs to be seen: it writes into its input."""

    def forward(self, x, train=False):
        x *= 2
        return x, None

    def backward(self, dy, cache):
        return 2 * dy


def test_a_layer_that_writes_into_its_input_is_shown_as_it_is():
    x = np.ones((1, 3))
    s = Stepper(L.Sequential(L.Identity(), Doubled()), x, dy=np.ones((1, 3)))
    s.until("Doubled")
    assert (s.x == 1).all() and (s.y == 2).all()


class Broken(L.Layer):
    def forward(self, x, train=False):
        return x, x.shape

    def backward(self, dy, cache):
        raise NumericError("no idea", "Broken")


def test_a_layer_that_raises_ends_the_record_there():
    x = np.random.default_rng(0).standard_normal((2, 3, 4, 4), dtype=np.float32)
    model = L.Sequential(a=L.Conv2d(3, 5, 1, rng=0), b=L.Residual(L.Conv2d(3, 5, 1, rng=0)), c=L.ReLU())
    s = Stepper(model, x, dy=x)
    assert isinstance(s.error, ShapeError) and str(s.error).startswith("b.branch (Conv2d): ")
    assert s.next() and s.where == "forward: failed in b.branch (Conv2d)" and s.x.shape == (2, 5, 4, 4) and s.y is None
    assert "ShapeError here: b.branch (Conv2d)" in str(s)


def test_a_container_that_raises_itself_and_a_backward_that_raises():
    x = np.random.default_rng(0).standard_normal((2, 3, 4, 4), dtype=np.float32)
    s = Stepper(L.Sequential(b=L.Residual(L.Conv2d(3, 5, 1, rng=0))), x, dy=x)
    assert [e.where for e in s.events][-2:] == ["forward: b.branch (Conv2d)", "forward: failed in b (Residual)"]
    s = Stepper(L.Sequential(L.ReLU(), Broken()), x, dy=x)
    assert s.events[-1].where == "backward: failed in 1 (Broken)" and str(s.error) == "1 (Broken): no idea"
    s.goto(len(s.events) - 2)
    assert s.next() and not s.next() and s.dx is None and np.array_equal(s.dy, x)
    s = Stepper(L.Sequential(L.Flatten()), x, labels=np.array([0, 99]))
    assert s.events[-1].where == "loss: failed in loss (SoftmaxCrossEntropy)" and isinstance(s.error, RangeError)


def test_out_of_a_container_that_never_ended_leads_to_the_failure():
    x = np.ones((1, 2), np.float32)
    s = Stepper(L.Sequential(L.Sequential(L.ReLU(), Broken())), x, dy=x)
    s.until("nonfinite(dy) == 0")
    assert s.where == "backward: begin of the model (Sequential)"
    assert s.next() and s.where == "backward: failed in 0.1 (Broken)"
    assert not s.out()


def test_the_limit_of_memory():
    model, x = build("resnet8", rng=0), np.zeros((4, 3, 8, 8), np.float32)
    with pytest.raises(RangeError, match=r"bytes at stem.*, expected at most limit=20,000: pass fewer") as caught:
        Stepper(model, x, labels=np.arange(4), limit=20_000)
    assert str(caught.value).startswith("the record holds ")
    s = Stepper(L.Sequential(L.ReLU()), np.ones((1, 4)), dy=np.ones((1, 4)), limit=4 * 32)
    assert len({id(a) for e in s.events for a in e.arrays.values()}) == 4  # x, y, dy, dx, each held once


@pytest.mark.parametrize("given", [{}, {"labels": np.arange(4), "dy": np.ones(4)}])
def test_labels_or_dy(given):
    with pytest.raises(RangeError, match="neither labels nor dy" if not given else "both labels and dy"):
        Stepper(L.ReLU(), np.ones(4), **given)


def test_a_single_layer_is_a_model():
    s = Stepper(L.ReLU(), np.array([-1.0, 2.0]), dy=np.array([3.0, 4.0]))
    assert [e.where for e in s.events] == ["forward: the model (ReLU)", "backward: the model (ReLU)"]
    assert s.y.tolist() == [0, 2] and s.step() and s.dx.tolist() == [0, 4]
    assert repr(s) == "<Stepper at stop 1 of 1, backward: the model (ReLU)>"


class Negative(L.Layer):
    """A layer that needs no cache: None tells nothing about which forward it came from."""

    def forward(self, x, train=False):
        return -x, None

    def backward(self, dy, cache):
        return -dy


def test_a_layer_without_a_cache_used_twice():
    layer = Negative()
    s = Stepper(L.Sequential(layer, L.ReLU(), layer), np.ones(3), dy=np.ones(3))
    backward = [e for e in s.events if e.phase == "backward" and e.kind == "Negative"]
    assert [e.path for e in backward] == ["2", "0"] and [e.x[0] for e in backward] == [0, 1]
