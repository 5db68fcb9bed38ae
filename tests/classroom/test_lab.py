"""Cells, and two mistakes at once."""

import numpy as np
import pytest

from minires.classroom.exercises import EXERCISES
from minires.classroom.lab import Lab, as_kind, differing
from minires.mutants import batch_norm, batch_norm_terms, linear


@pytest.mark.parametrize("name", EXERCISES)
def test_cells_of_an_exercise_have_several_sizes_and_one_x_with_ties(name):
    exercise = EXERCISES[name]
    lab = Lab(exercise.of, exercise)
    assert len({cell.x.shape for cell in lab.cells}) >= 2 and len({len(cell.x) for cell in lab.cells}) >= 2
    assert any(np.array_equal(cell.x, np.round(cell.x)) for cell in lab.cells)
    assert {cell.train for cell in lab.cells} == ({True, False} if "train" in exercise.takes else {False})
    for cell in lab.cells:
        assert "raised" not in cell.right
        assert all(not (p.data == 1).all() and p.data.all() for _, p in cell.layer.params())
    again = Lab(exercise.of, exercise)
    assert all(np.array_equal(a.x, b.x) and np.array_equal(a.dy, b.dy) for a, b in zip(lab.cells, again.cells))
    other = Lab(exercise.of, exercise, seed=1)
    assert not np.array_equal(lab.cells[0].x, other.cells[0].x)


def test_a_wrong_class_runs_on_the_parameters_of_the_right_layer():
    lab = Lab("Linear", EXERCISES["linear"])
    cell = lab.cells[0]
    assert differing(cell, cell.run(as_kind(cell.layer, linear.BiasAveraged))) == {"dbias", "twice dbias"}
    assert differing(cell, cell.right) == set()


def test_two_mistakes_in_one_output_are_a_pair_those_in_two_are_none():
    lab = Lab("BatchNorm2d", EXERCISES["batchnorm"])
    gamma, variance = batch_norm.GammaForgotten, batch_norm_terms.VarianceTermSign
    bad = lab.changes(gamma) | lab.changes(variance) | lab.changes(batch_norm.BetaGradientAveraged)
    names = {frozenset(idea.names) for idea in lab.pairs(bad, {(True, "dx")})}
    assert frozenset({"BatchNorm2d.GammaForgotten", "BatchNorm2d.VarianceTermSign"}) in names
    assert not any("BatchNorm2d.BetaGradientAveraged" in pair for pair in names)
    assert all(len(pair) == 2 for pair in names)


def test_a_mistake_that_would_hide_the_other_makes_no_pair():
    lab = Lab("Linear", EXERCISES["linear"])
    bad = {(False, f"{twice}{name}") for twice in ("", "twice ") for name in ("dx", "dweight", "dbias")}
    pairs = {idea.names for idea in lab.pairs(bad, bad)}
    assert ("Linear.WeightGradientAveraged", "Linear.WeightGradientTransposed") in pairs
    assert ("Linear.BiasAveraged", "Linear.BiasOverWrongAxis") not in pairs
