"""Blocks left out at random: what the verdict turns on, and the block itself."""

import numpy as np
import pytest
from experiments.edges import require_edge

from minires import models
from minires.experiments import EXPERIMENTS, Lab, dropped_blocks
from minires.files.picture import new_figure
from minires.layers import Linear, Residual

EXPERIMENT = EXPERIMENTS["dropped_blocks"]
NUMBERS = {
    "accuracy": {
        "whole": [0.1, 0.3, 0.8, 0.95, 0.98, 0.989],
        "stochastic depth": [0.1, 0.2, 0.5, 0.8, 0.9, 0.95, 0.98, 0.986],
        "effective paths": [0.1] * 5 + [0.67] + [0.9] * 7 + [0.981],
    },
    "branches": {"stochastic depth": 0.74, "effective paths": 12 / 27},
}


@pytest.mark.parametrize(
    ("path", "bound", "inside"),
    [
        (("accuracy", "stochastic depth", -1), 0.939, +1),
        (("accuracy", "effective paths", -1), 0.939, +1),
        (("branches", "stochastic depth"), 1.05 * 6 / 8, -1),
        (("branches", "effective paths"), 1.05 * 6 / 14, -1),
    ],
)
def test_each_bound_turns_the_verdict(path, bound, inside):
    require_edge(EXPERIMENT, NUMBERS, path, bound, inside)


def test_the_condition_says_where_effective_paths_are_after_as_many_epochs():
    assert EXPERIMENT.verdict([NUMBERS]).condition.endswith("have a test accuracy of 0.67")


def block(present, keep=(0.25, 0.5)):
    fork = Residual(Linear(3, 5, rng=0), Linear(3, 5, rng=1))
    choice = dropped_blocks.Choice(keep, None, 0)
    choice.draw = lambda: setattr(choice, "present", present)
    choice.draw()
    return dropped_blocks.Dropping(fork, choice, 1), fork


@pytest.mark.parametrize("present", [True, False])
def test_a_block_that_is_left_out_is_its_shortcut_in_both_directions(present):
    rng = np.random.default_rng(1)
    x, dy = rng.standard_normal((4, 3), np.float32), rng.standard_normal((4, 5), np.float32)
    dropping, fork = block([False, present])
    y, cache = dropping.forward(x, train=True)
    dx = dropping.backward(dy, cache)
    grad = fork.branch.weight.grad.copy()
    fork.branch.zero_grads()
    expected, fork_cache = (fork if present else fork.shortcut).forward(x, train=True)
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_allclose(dx, (fork if present else fork.shortcut).backward(dy, fork_cache), rtol=1e-5)
    np.testing.assert_array_equal(grad, fork.branch.weight.grad)
    assert bool(grad.any()) == present


def test_in_evaluation_a_branch_counts_as_often_as_it_took_part():
    dropping, fork = block([True, True])
    x = np.random.default_rng(2).standard_normal((4, 3), np.float32)
    np.testing.assert_allclose(dropping(x), fork.shortcut(x) + 0.5 * fork.branch(x), rtol=1e-5)


def test_draws():
    stochastic, effective = (dropped_blocks.choice(kind, 0) for kind in dropped_blocks.EPOCHS)
    seen = []
    for _ in range(2000):
        stochastic.draw()
        effective.draw()
        seen.append([stochastic.present, effective.present])
    often = np.mean(seen, axis=0)
    assert stochastic.keep[0] == pytest.approx(1 - 0.5 / 27) and stochastic.keep[-1] == 0.5
    np.testing.assert_allclose(often, [stochastic.keep, effective.keep], atol=0.05)
    assert {int(both[1].sum()) for both in seen} == {12} and len({int(both[0].sum()) for both in seen}) > 5
    assert effective.runs == 12 * effective.batches == 12 * 2000


def test_all_blocks_of_a_batch_are_drawn_at_once_and_the_engine_agrees():
    x = np.random.default_rng(0).standard_normal((4, 1, 8, 8), np.float32)
    outputs = []
    for engine in ("reference", "compiled"):
        model = models.build("digits_resnet20", rng=0, **dropped_blocks.BLOCK)
        drawn = dropped_blocks.Choice([0.5] * 9, 4, 3)
        dropped_blocks.dropping(model, drawn, Lab(engine))
        y, cache = model.forward(x, train=True)
        model.backward(y, cache)
        assert drawn.batches == 1
        outputs.append([y, *(p.grad for _, p in model.params())])
        model(x)
        assert drawn.batches == 1, "evaluation draws nothing"
    for one, other in zip(*outputs, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4 * max(1, np.abs(one).max()))


def test_the_picture_has_a_line_for_each_way():
    figure = new_figure()
    EXPERIMENT.draw([NUMBERS, NUMBERS], figure)
    assert [len(line.get_xdata()) for line in figure.axes[0].lines] == [6, 8, 14]
