"""What backward reads, what it computes again, and who shares memory."""

from engine.plans import plan_of

from minires.engine.lifetimes import computed_again, saved, share


def test_what_backward_reads_and_what_it_computes_again():
    plan = plan_of("resnet8")
    assert plan.saved == saved(plan.operations) and plan.again == computed_again(plan.operations, plan.saved)
    assert plan.again and all(join.y == value for value, join in plan.again.items())
    assert {r.again for r in plan.adjoint} - {None} == set(plan.again.values())


def test_items_share_a_place_where_they_do_not_meet():
    spans = [("a", 1, 0, 2), ("b", 1, 1, 4), ("c", 1, 3, 5), ("d", 2, 3, 3), ("e", 1, 4, 4), ("f", 1, 5, 6)]
    assert share(spans) == {"a": 0, "b": 1, "c": 0, "d": 0, "e": 2, "f": 1}
