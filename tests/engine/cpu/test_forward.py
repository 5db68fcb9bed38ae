"""Phases, chunks, and places of the work area."""

import copy

import numpy as np
import pytest
from engine.equality import assert_as_definition, images, network
from hypothesis import given
from hypothesis import strategies as st
from oracles import assert_close, randomise, run

import minires
from minires.engine.cpu import constants
from minires.engine.cpu.backward import BackwardPlan
from minires.engine.cpu.constants import CHUNK, UNITS
from minires.engine.cpu.cut import chunk_sizes
from minires.engine.cpu.forward import ForwardPlan
from minires.engine.cpu.phases import Whole
from minires.engine.operations import Convolution, Join
from minires.engine.plan import Plan
from minires.layers import BatchNorm2d, Conv2d, Dropout, ReLU, Residual, Sequential
from minires.models import build


@given(st.integers(1, 600), st.booleans())
def test_chunks_are_about_equal(images, little):
    sizes = chunk_sizes(images, little)
    assert sum(sizes) == images
    assert max(sizes) <= CHUNK and max(sizes) - min(sizes) <= 1
    assert len(sizes) >= min(2, images) if not little else len(sizes) == -(-images // CHUNK)


@pytest.mark.parametrize(
    ("name", "shape", "sizes"),
    [
        ("resnet20", (2, 3, 7, 5), [2]),
        ("resnet20", (4, 3, 32, 32), [4]),
        ("resnet20", (8, 3, 32, 32), [4, 4]),
        ("resnet20", (12, 3, 32, 32), [6, 6]),
        ("resnet20", (40, 3, 7, 5), [14, 13, 13]),
        ("resnet18", (1, 3, 224, 224), [1]),
        ("resnet18", (2, 3, 96, 96), [2]),
        ("resnet18", (2, 3, 224, 224), [1, 1]),
    ],
)
def test_a_little_batch_is_one_chunk(name, shape, sizes, monkeypatch):
    """Little: few pixels, or few for each number of the filters."""
    monkeypatch.undo()
    assert ForwardPlan(Plan(build(name, rng=0), shape, np.float32, "infer")).cut.sizes == sizes


def plan_of(model, mode, n=3, size=9, **settings):
    return ForwardPlan(Plan(model, (n, 2, size, size), np.float64, mode, **settings))


def test_inference_is_one_phase_and_training_one_a_batch_norm():
    model = network("resnet8")
    norms = sum(type(layer).__name__ == "BatchNorm2d" for _, layer in model.walk())
    for mode, expected in (("infer", 1), ("eval", 1), ("train", norms + 1)):
        phases = [phase for phase in plan_of(model, mode).phases if not isinstance(phase, Whole)]
        assert len(phases) == expected, mode


def test_a_batch_norm_waits_for_every_chunk():
    """What is measured in a phase is read in a later one."""
    plan = plan_of(network("resnet8"), "train")
    phase_of = {
        o: k
        for k, phase in enumerate(plan.phases)
        if not isinstance(phase, Whole)
        for o in reversed(phase.owners)
        if plan.steps[o].forward in phase.steps
    }
    measured = {
        affine: k for k, phase in enumerate(plan.phases) if not isinstance(phase, Whole) for affine in phase.pending
    }
    assert set(measured) == set(plan.plan.maps)
    for operation, k in phase_of.items():
        if isinstance(operation, Join):
            assert all(measured[affine] < k for affine in operation.maps)


@pytest.mark.parametrize("n", [1, 7, 65, 300])
def test_units_hold_every_chunk_in_order(n):
    plan = plan_of(Sequential(Conv2d(2, 2, 1, rng=0)), "train", n=n)
    assert [i for unit in plan.cut.units for i in unit] == list(range(len(plan.cut.sizes)))
    assert len(plan.cut.units) == min(len(plan.cut.sizes), UNITS)


def test_units_of_several_chunks(monkeypatch):
    """Their sums go into one slot; the same bits for any number of threads."""
    monkeypatch.setattr(constants, "CHUNK", 2)
    model, x, dy = network("resnet8"), images(33, 2, 7, 6), images(33, 3, seed=3)
    assert max(len(unit) for unit in plan_of(model, "train", n=33).cut.units) == 3
    answers = []
    for threads in (1, 2, 3):
        assert_as_definition(model, x, True, threads=threads)
        answer = run(minires.compile(copy.deepcopy(model), threads=threads), x, dy, True)
        answers.append({name: a.tobytes() for name, a in answer.items()})
    assert answers[0] == answers[1] == answers[2]


@pytest.mark.parametrize("clean", [0, 10**6])
def test_values_that_live_at_once_have_different_places(clean, monkeypatch):
    """In a chain of equal values two places are enough; the input of a fork keeps its own until the join."""
    conv = [Conv2d(2, 2, 3, padding=1, rng=k) for k in range(6)]
    model = Sequential(conv[0], ReLU(), Residual(Sequential(conv[1], ReLU(), conv[2], ReLU())), conv[3], ReLU())
    monkeypatch.setattr(constants, "CLEAN", clean)

    def memory(form, place):
        return (form if form[3] and clean else None), place

    plan = plan_of(model, "infer")
    operations = plan.plan.operations
    made = {o.y: k for k, o in enumerate(operations)}
    spans = [
        (made[v], max(k for k, o in enumerate(operations) if v in o.inputs), memory(plan.rooms.form(v), place))
        for v, place in plan.places.items()
    ]
    for a in spans:
        for b in spans:
            assert a is b or a[2] != b[2] or a[1] < b[0] or b[1] < a[0]
    assert not plan.kept
    assert len({where for _, _, where in spans}) < len(spans)


@pytest.mark.parametrize(
    ("norms", "shared"),
    [(BatchNorm2d(2), True), (Residual(BatchNorm2d(2)), False), (Residual(BatchNorm2d(2), BatchNorm2d(2)), False)],
)
def test_a_join_writes_over_what_it_adds_unless_it_adds_it_twice(norms, shared):
    """y = relu(BN(c)) lies where c lay; y = c + BN(c) reads c once more."""
    model = randomise(Sequential(Conv2d(3, 2, 1, rng=0), norms, ReLU()), np.random.default_rng(0))
    plan = ForwardPlan(Plan(model, (3, 3, 9, 9), np.float64, "infer"))
    (conv,), (join,) = ([o for o in plan.plan.operations if isinstance(o, kind)] for kind in (Convolution, Join))
    assert (plan.places[conv.y] == plan.places[join.y]) == shared
    assert_as_definition(model, images(3, 3, 9, 9), False)


def test_training_keeps_what_backward_reads():
    plan = plan_of(network("resnet8"), "train")
    needed = {v for o in plan.plan.operations for v in o.saves} - plan.plan.again.keys()
    assert needed <= set(plan.kept)
    assert not needed & set(plan.places)


def test_what_a_convolution_reads_is_computed_again():
    """In a basic block that is the ReLU between its convolutions, and every second sum along the shortcuts."""
    plan = plan_of(network("resnet8"), "train")
    again = plan.plan.again
    sums = [f"stage{s}.0.add" for s in (1, 3)]
    assert {join.path for join in again.values()} == {*sums, *(f"stage{s}.0.add.branch.conv2" for s in (1, 2, 3))}
    for value, join in again.items():
        assert value not in plan.kept and value in plan.places
        assert all(term.value in plan.kept for term in join.terms)
    assert not plan_of(network("resnet8"), "infer").plan.again


def test_sums_that_are_not_kept_share_memory_with_gradients():
    """Their zeros around the image are written anew: two forwards of different images, then both backward."""
    model, fast = network("resnet8"), minires.compile(network("resnet8"), threads=1)
    two = [(images(3, 2, 9, 9, seed=k), images(3, 3, seed=k + 5)) for k in range(2)]
    for _ in range(3):  # the second and third time from the lists of calls
        model.zero_grads(), fast.zero_grads()
        caches = [fast.forward(x, True)[1] for x, _ in two]
        expected = [model.backward(dy, model.forward(x, True)[1]) for x, dy in two]
        for (_, dy), cache, dx in reversed([*zip(two, caches, expected)]):
            assert_close(fast.backward(dy, cache), dx, 1e-10, "dx")
        for (name, p), (_, q) in zip(model.params(), fast.params()):
            assert_close(q.grad, p.grad, 1e-10, name)


def test_only_what_a_later_phase_reads_lies_in_memory_that_passes():
    plan = plan_of(network("resnet8"), "train")
    crossing = plan.overlay.chunks([np.zeros(n) for n in plan.overlay.rooms])
    assert crossing and not crossing.keys() & set(plan.kept)
    assert crossing.keys() >= {v for v, join in plan.plan.again.items() if join.path == "stage1.0.add"}
    assert plan_of(network("resnet8"), "infer").overlay.rooms == [0] * len(plan.cut.sizes)


@pytest.mark.parametrize("input_gradient", [True, False])
def test_a_layer_at_the_front_without_parameters_costs_no_backward(input_gradient):
    model = Sequential(Dropout(0.5, rng=0), Conv2d(2, 2, 1, rng=0))
    plan = BackwardPlan(plan_of(model, "train", input_gradient=input_gradient))
    assert sum(isinstance(phase, Whole) for phase in plan.phases) == int(input_gradient)
