"""Gradients that are added where others stand: fewer buffers, the same numbers."""

import copy

import numpy as np
import pytest
from engine.equality import images
from engine.interpreter import Interpreter
from engine.plans import ALL, plan_of
from oracles import assert_same, run

import minires
from minires.engine.cpu import constants
from minires.engine.cpu.backward import BackwardPlan, in_place
from minires.engine.cpu.forward import ForwardPlan
from minires.engine.operations import Convolution, MaxPool
from minires.layers import Conv2d, Sequential


def gradients(plan, records, x, dy):
    """(dx, the gradient of each parameter) by the records, one after the other."""
    params = [p for o in plan.operations for part in (o, *getattr(o, "maps", ())) for p in params_of(part)]
    for p in params:
        p.grad[...] = 0
    plan.adjoint = records
    run = Interpreter(plan)
    run.forward(x)
    return [run.backward(dy), *(p.grad.copy() for p in params)]


def params_of(part):
    return [p for _, p in part.layer.params()] if hasattr(part, "layer") else []


@pytest.mark.parametrize("name", sorted({*ALL, "resnet14"} - {"through the layers"}))  # float32, the others float64
def test_the_gradients_are_the_same(name):
    plan, rng = plan_of(name), np.random.default_rng(0)
    x = rng.normal(size=plan.shape)
    y = Interpreter(plan).forward(x)
    dy, records = rng.normal(size=y.shape), plan.adjoint
    for expected, found in zip(gradients(plan, records, x, dy), gradients(plan, in_place(records), x, dy), strict=True):
        assert np.allclose(found, expected, rtol=1e-12, atol=1e-12)


def test_a_pooling_has_no_memory_in_common_with_a_convolution():
    """Its input, made again, is the largest value of all."""
    plan = BackwardPlan(ForwardPlan(plan_of("resnet18")))
    (phase,) = (phase for phase in plan.phases if any(isinstance(o, MaxPool) for o in phase.owners))
    assert not any(isinstance(o, Convolution) for o in phase.owners)


@pytest.mark.parametrize("units", [1, 3])
def test_slots_lie_where_the_gradient_of_the_largest_weight_does(units, monkeypatch):
    """Those of Winograd too, if they are no longer than that: the gradient is written over them."""
    monkeypatch.setattr(constants, "CHUNK", 2)
    monkeypatch.setattr(constants, "UNITS", units)
    layers = Conv2d(3, 4, 3, padding=1, rng=0), Conv2d(4, 64, 3, padding=1, rng=1), Conv2d(64, 2, 1, rng=2)
    model, fast = (Sequential(*copy.deepcopy(layers)).to(dtype=np.float64) for _ in range(2))
    fast = minires.compile(fast, threads=2)
    for seed in range(3):
        x, dy = images(5, 3, 9, 9, seed=seed), images(5, 2, 9, 9, seed=seed + 9)
        assert_same(run(fast, x, dy, True), run(model, x, dy, True), 1e-10)
    (executor,) = fast._executors.values()
    kernels = [s.kernel_type.name for o, s in executor.forward_plan.steps.items() if isinstance(o, Convolution)]
    assert kernels == ["winograd", "planar", "product"]
    sizes = executor.free["crews"][0][0]._sizes
    assert [size for (_, name), size in sizes.items() if name == "slot"] == [9 * 4 * 64]  # of the planar one


@pytest.mark.parametrize(("name", "fewer"), [("resnet8", 1), ("resnet14", 4), ("resnet20", 7)])
def test_each_block_with_an_identity_needs_a_buffer_less(name, fewer):
    records = plan_of(name).adjoint

    def buffers(records):
        return len({buffer for record in records for buffer in record.buffers})

    assert buffers(records) - buffers(in_place(records)) == fewer
