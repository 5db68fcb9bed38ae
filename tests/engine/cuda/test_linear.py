"""Flatten and Linear behind images as rows: what the plan becomes, and what stays as it was."""

import numpy as np
import pytest
from engine.cuda.test_executor import pooled
from engine.equality import entered

from minires import layers as L
from minires.engine import operations as op
from minires.engine.cuda.linear import Linear, in_rows
from minires.engine.gradients import Alias
from minires.engine.plan import Plan

MODELS = {
    "flattened": lambda: entered(4, L.Flatten()),
    "one": lambda: entered(4, L.Flatten(), L.Linear(64, 3, rng=0)),
    "two": lambda: entered(4, pooled(), L.Linear(4, 5, rng=0), L.Linear(5, 3, rng=1)),
    "none": lambda: entered(4, pooled(), L.Dropout(0.5, rng=0), L.Linear(4, 3, rng=0)),
    "own": lambda: entered(4, pooled(), Own(4, 3, rng=0)),
    "arrays": lambda: L.Sequential(L.Flatten(), L.Linear(64, 3, rng=0)),
}
EXPECTED = {  # of what stands behind the convolution
    "flattened": "Store",
    "one": "Linear Store",
    "two": "Mean Linear Linear Store",
    "none": "Mean Store Foreign Foreign",
    "own": "Mean Store Foreign",
    "arrays": "Foreign Foreign",
}


class Own(L.Linear):
    def forward(self, x, train=False):
        return super().forward(2 * x, train)


def plan_of(name, mode="train"):
    return Plan(MODELS[name]().to(dtype=np.float32), (2, 4, 4, 4), np.float32, mode, input_gradient=False)


def names(operations):
    return " ".join(
        type(o).__name__ for o in operations if not isinstance(o, op.Load) and type(o) is not op.Convolution
    )


@pytest.mark.parametrize("mode", ["train", "eval", "infer"])
@pytest.mark.parametrize("name", MODELS)
def test_what_stands_behind_images_becomes_rows(name, mode):
    plan = plan_of(name, mode)
    before, records = list(plan.operations), list(plan.adjoint)
    changed = in_rows(plan)
    assert names(changed.operations) == EXPECTED[name]
    assert (plan.operations, plan.adjoint) == (before, records), "the plan itself is untouched"
    assert changed.operations[-1].y == plan.output and in_rows(changed).operations == changed.operations
    again = in_rows(changed).adjoint
    assert again == changed.adjoint and (not again) == (mode == "infer")


def test_the_adjoint_goes_through_the_rows_in_reverse():
    plan = in_rows(plan_of("two"))
    store, second, first, mean, *_ = plan.adjoint
    assert [type(r.operation).__name__ for r in (store, second, first, mean)] == ["Store", "Linear", "Linear", "Mean"]
    (at_store,), (at_second,), (at_first,) = store.targets, second.targets, first.targets
    assert second.parts == (Alias(at_store.buffer),) and first.parts == (Alias(at_second.buffer),)
    assert mean.dy == at_first.buffer
    buffers = {b.number for r in plan.adjoint for b in r.buffers}
    assert len({at_store.buffer.number, at_second.buffer.number, at_first.buffer.number}) == 3 <= len(buffers)


def test_its_window_is_the_image():
    linear = next(o for o in in_rows(plan_of("one")).operations if isinstance(o, Linear))
    g = linear.geometry
    assert (g.channels, g.out_channels, g.kernel, g.size, g.out) == (4, 3, (4, 4), (4, 4), (1, 1))
    assert g.flops == 2 * 64 * 3


def test_what_nobody_wants_a_gradient_of_gets_none():
    model = L.Sequential(L.Concat(a=L.AvgPool2d(2)), *pooled().layers.values(), L.Linear(4, 3, rng=0))
    store, linear = in_rows(Plan(model, (2, 4, 4, 4), np.float32, "train", False)).adjoint
    assert isinstance(store.operation, op.Store) and linear.targets == (None,)
