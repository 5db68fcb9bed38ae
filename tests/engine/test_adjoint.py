"""The records of the backward, replayed: each path from the output to a value counts once."""

from collections import Counter

import numpy as np
import pytest
from engine.equality import network
from engine.plans import ALL, plan_of

from minires.engine import adjoint as adjoint_module
from minires.engine.gradients import Alias, Scaled, Strided, Target
from minires.engine.operations import Convolution, Foreign, Join, Load, Store
from minires.engine.plan import Plan


def replay(plan):
    """Play the records with expressions in the place of numbers: {value: its gradient as a Counter of paths}.

    Each path is a tuple of (operation number, input) steps from the output. ``memory`` are the buffers.
    """
    memory, found, arrays = {}, {}, Counter()

    def through(paths, step):
        return Counter({(*path, step): n for path, n in paths.items()})

    def of(part, value):
        paths = memory[part.buffer]
        if isinstance(part, Scaled):
            return through(paths, ("map", part.affine.number))
        return through(paths, ("part", part.term)) if isinstance(part, Strided) else paths

    arrays = {plan.output: Counter({(): 1})}
    for record in plan.adjoint:
        o = record.operation
        if isinstance(o, Foreign):
            arrays[o.x] = arrays.get(o.x, Counter()) + through(arrays.pop(o.y), (o.y.number, 0))
            continue
        if isinstance(o, Store):
            dy = arrays[o.y]
        else:
            dy = Counter(memory[record.dy]) if record.based else Counter()
            for part in record.parts:
                dy = dy + of(part, o.y)
            found[o.y] = dy
        if isinstance(o, Join) and o.relu:
            dy = through(dy, ("relu", o.y.number))
        if record.dy is not None:
            memory[record.dy] = dy
        if isinstance(o, Load):
            arrays[o.x] = arrays.get(o.x, Counter()) + dy
        for k, target in enumerate(record.targets):
            if target is not None:
                share_ = through(dy, (o.y.number, k))
                memory[target.buffer] = memory[target.buffer] + share_ if target.adds else share_
    return found, arrays.get(plan.input)


def paths_to(plan):
    """The same by the rule of the sum over all paths, from the operations alone."""
    gradients = {plan.output: Counter({(): 1})}
    for o in reversed(plan.operations):
        dy = gradients.get(o.y, Counter())
        if isinstance(o, Join) and o.relu:
            dy = Counter({(*path, ("relu", o.y.number)): n for path, n in dy.items()})
        terms = o.terms if isinstance(o, Join) else [None] * len(o.inputs)
        for k, (x, term) in enumerate(zip(o.inputs, terms)):
            if isinstance(o, Join):
                step = (
                    ("map", term.affine.number) if term.affine is not None else ("part", term) if term.strided else None
                )
            else:
                step = None if isinstance(o, Load) else (o.y.number, k)
            share_ = Counter({path if step is None else (*path, step): n for path, n in dy.items()})
            gradients[x] = gradients.get(x, Counter()) + share_
    return gradients


@pytest.mark.parametrize("name", ALL)
def test_the_records_add_up_to_the_sum_over_all_paths(name):
    """Buffers that are taken over, described gradients and targets: whatever goes where, each path counts once."""
    plan = plan_of(name)
    found, dx = replay(plan)
    expected = paths_to(plan)
    assert dx == expected[plan.input]
    for value, paths in found.items():
        assert paths == expected[value], value


def test_planted_mistakes_in_the_records_are_seen(monkeypatch):
    """A buffer is taken over although another contribution still refers to it; a share overwrites what stands there."""
    right = {name: plan_of(name) for name in ALL}
    own, target = adjoint_module._Planner._own, adjoint_module._Planner._target

    def careless(self, pending, value):
        for c in pending.described:
            if isinstance(c, Alias) and pending.written is None:
                self.readers[c.buffer] = 0
                return c.buffer, True, [d for d in pending.described if d is not c]
        return own(self, pending, value)

    def overwriting(self, value):
        return (found := target(self, value)) and Target(found.buffer, False)

    for mistake, change in (("_own", careless), ("_target", overwriting)):
        seen = []
        with monkeypatch.context() as patch:
            patch.setattr(adjoint_module._Planner, mistake, change)
            for name, plan in right.items():
                wrong = plan_of(name)
                if [(r.based, r.targets) for r in wrong.adjoint] != [(r.based, r.targets) for r in plan.adjoint]:
                    found, dx = replay(wrong)
                    expected = paths_to(wrong)
                    assert dx != expected[wrong.input] or any(p != expected[v] for v, p in found.items()), name
                    seen.append(name)
        assert seen, mistake


def test_the_scale_of_a_batch_norm_goes_into_the_filters_before_it():
    """Unless the pixels of an output channel are fewer than its weights: then they are scaled."""
    kinds = set()
    for images in (1, 3, 100):
        plan = Plan(network("resnet8"), (images, 2, 9, 9), np.float64, "train")
        for r in plan.adjoint:
            if not isinstance(r.operation, Convolution):
                continue
            (part,) = r.parts
            height, width = r.operation.y.size
            many = images * height * width >= r.operation.layer.weight.data[0].size
            kinds.add(many)
            assert part.scaled == (not many) and part.affine.y == r.operation.y
            assert r.folded is (part.affine if many else None)
            assert r.dy is None and len(r.targets) == 1
    assert kinds == {True, False}


def test_what_nobody_asks_for_has_no_record():
    model = network("resnet8")
    whole, lean = (Plan(model, (3, 2, 9, 9), np.float64, "train", input_gradient=g) for g in (True, False))
    assert isinstance(whole.adjoint[-1].operation, Load) and not isinstance(lean.adjoint[-1].operation, Load)
    assert lean.adjoint[-1].operation == whole.adjoint[-2].operation and lean.adjoint[-1].targets == (None,)
