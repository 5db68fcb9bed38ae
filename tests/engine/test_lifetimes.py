"""What backward reads, what it computes again, and who shares memory."""

import numpy as np
from engine.equality import assert_as_definition, entered
from engine.plans import plan_of

from minires.engine.lifetimes import computed_again, saved, share
from minires.engine.operations import MaxPool
from minires.engine.plan import Plan
from minires.layers import BatchNorm2d, MaxPool2d, ReLU


def test_what_backward_reads_and_what_it_computes_again():
    plan = plan_of("resnet8")
    assert plan.saved == saved(plan.operations) and plan.again == computed_again(plan.operations, plan.saved)
    assert plan.again and all(join.y == value for value, join in plan.again.items())
    assert {r.again for r in plan.adjoint} - {None} == set(plan.again.values())


def test_what_a_pooling_reads_is_computed_again():
    model = entered(2, BatchNorm2d(2).to(dtype=np.float64), ReLU(), MaxPool2d(2))
    plan = Plan(model, (3, 2, 8, 8), np.float64, "train")
    (pool,) = (r for r in plan.adjoint if isinstance(r.operation, MaxPool))
    assert plan.again == {pool.operation.x: pool.again} and pool.again.relu
    assert_as_definition(model, np.random.default_rng(0).normal(size=(3, 2, 8, 8)), True)


def test_items_share_a_place_where_they_do_not_meet():
    spans = [("a", 1, 0, 2), ("b", 1, 1, 4), ("c", 1, 3, 5), ("d", 2, 3, 3), ("e", 1, 4, 4), ("f", 1, 5, 6)]
    assert share(spans) == {"a": 0, "b": 1, "c": 0, "d": 0, "e": 2, "f": 1}
