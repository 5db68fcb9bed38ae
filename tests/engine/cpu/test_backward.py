"""Gradients that are added where others stand: fewer buffers, the same numbers."""

import numpy as np
import pytest
from engine.interpreter import Interpreter
from engine.plans import ALL, plan_of

from minires.engine.cpu.backward import in_place


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


@pytest.mark.parametrize(("name", "fewer"), [("resnet8", 1), ("resnet14", 4), ("resnet20", 7)])
def test_each_block_with_an_identity_needs_a_buffer_less(name, fewer):
    records = plan_of(name).adjoint

    def buffers(records):
        return len({buffer for record in records for buffer in record.buffers})

    assert buffers(records) - buffers(in_place(records)) == fewer
