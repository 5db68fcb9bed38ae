"""run_matrix counts what is caught and what is refused, and says so when a mistake escapes."""

from dataclasses import replace

import numpy as np
import pytest

from minires.cases import CASES
from minires.layers import ReLU
from minires.mutants import MUTANTS, matrix
from minires.mutants.matrix import run_matrix

FEW = tuple(m for m in MUTANTS if m.of in ("ReLU", "Linear"))


@pytest.fixture(scope="module")
def all_of_it():
    return run_matrix(seeds=len(CASES))


def test_all_mutants_are_caught_and_no_layer_is_refused(all_of_it):
    assert (all_of_it.mutants, all_of_it.mutants_caught, all_of_it.missed) == (len(MUTANTS), len(MUTANTS), ())
    assert (all_of_it.layers, all_of_it.checked, all_of_it.refused) == (len(CASES), len(CASES), 0)
    assert 0 < all_of_it.worst_error < 1e-12


def test_every_row_says_what_the_check_said(all_of_it):
    assert [row.name for row in all_of_it.rows] == [mutant.name for mutant in MUTANTS]
    for row in all_of_it.rows:
        assert "\n" not in row.caught_by
        assert "broken promise" in row.caught_by or "derivative of forward" in row.caught_by


def test_prints_a_table_of_100_columns_that_ends_with_the_counts(all_of_it):
    lines = str(all_of_it).splitlines()
    assert max(map(len, lines)) <= 100
    assert lines[-2] == f"mutants caught: {len(MUTANTS)} of {len(MUTANTS)}"
    assert lines[-1] == f"correct layers refused: 0 of {len(CASES)}"
    assert "caught  BatchNorm2d.VarianceTermMissing" in lines
    assert "        The variance depends on x too: its term is missing from dx." in lines


def test_a_mistake_that_escapes_is_reported(monkeypatch):
    right = replace(FEW[0], name="ReLU.NoMistakeAtAll", make=lambda rng: ReLU())
    monkeypatch.setattr(matrix, "MUTANTS", (*FEW, right))
    found = run_matrix(seeds=1)
    assert found.missed == ("ReLU.NoMistakeAtAll",)
    assert "MISSED  ReLU.NoMistakeAtAll" in str(found)
    assert f"mutants caught: {len(FEW)} of {len(FEW) + 1}" in str(found)


def test_a_mistake_that_escapes_at_one_seed_of_three_is_missed(monkeypatch):
    wrong = next(m for m in FEW if m.name == "ReLU.PassesEverything")
    third = np.random.default_rng(2).bit_generator.state
    sometimes = replace(wrong, make=lambda rng: ReLU() if rng.bit_generator.state == third else wrong.make(rng))
    monkeypatch.setattr(matrix, "MUTANTS", (sometimes,))
    assert run_matrix(seeds=1).missed == (wrong.name,)


def test_a_right_layer_that_is_refused_is_reported(monkeypatch):
    wrong = next(m for m in FEW if m.name == "ReLU.PassesEverything")
    monkeypatch.setitem(matrix.CASES, "ReLU", (wrong.make, wrong.shape))
    monkeypatch.setattr(matrix, "MUTANTS", FEW[:1])
    found = run_matrix(seeds=2 * len(CASES))
    assert found.refused == 2
    assert found.false_alarms[0].startswith("ReLU (seed ")
    assert str(found).endswith(f"correct layers refused: 2 of {2 * len(CASES)}")


def test_progress_sees_every_check(monkeypatch):
    monkeypatch.setattr(matrix, "MUTANTS", FEW)
    seen = []
    run_matrix(seeds=7, progress=lambda checks: seen.append(len(checks)) or checks)
    assert seen == [len(FEW), 7]


@pytest.mark.slow
def test_a_thousand_right_layers_are_accepted(monkeypatch):
    monkeypatch.setattr(matrix, "MUTANTS", FEW[:1])
    found = run_matrix()
    assert found.checked == 1000 and found.false_alarms == ()
