"""The trials as assignments: skeletons get nothing and solutions all, over many seeds; a class and its report."""

import csv
import io

import pytest
from classroom.box.boxes import boxes
from classroom.trials.judged import FOLDER, load

from minires.classroom import assignment, build, feedback, frequencies, grade, to_csv, to_html
from minires.classroom.box import TRUST
from minires.classroom.trials import TRIALS

CLASSES = {
    "gradcheck": {"right_complex": 10, "positive_dy": 60 / 7, "asserts": 0, "coin": 0},
    "bug_hunt": {"right_by_loops": 10, "kills_no_relu": 2, "identity_alone": 4, "shapes": 0, "never": 0},
}


@pytest.mark.parametrize("name", ["gradcheck", pytest.param("bug_hunt", marks=pytest.mark.slow)])
def test_solutions_get_all_and_skeletons_nothing_for_many_seeds(name, tmp_path):
    functions = {}
    exec(assignment(name).solution(), functions)
    for seed in range(100):
        assert feedback(name, functions, seed=1000 + seed).wrong == (), seed
    empty = load(build(name, tmp_path)[0])
    assert all(feedback(name, empty, seed=seed).right == () for seed in range(100))


@pytest.mark.parametrize("tier", [*boxes(), pytest.param(lambda: TRUST, id="trust")])
@pytest.mark.parametrize("name", CLASSES)
def test_a_class(name, tier, tmp_path):
    handed_in = tmp_path / "in"
    handed_in.mkdir()
    for student in CLASSES[name]:
        (handed_in / f"{student}.py").write_text((FOLDER / name / f"{student}.py").read_text())
    (handed_in / "ends.py").write_text(f"import os\ndef {TRIALS[name].defines[0]}(*given): os._exit(0)")
    (handed_in / "skeleton.py").write_text(build(name, tmp_path)[0].read_text())
    grades = grade(name, handed_in, tmp_path / "out", tier=tier(), secret="s")
    found = {each.student: each.total for each in grades}
    assert found == pytest.approx(CLASSES[name] | {"ends": 0, "skeleton": 0}, abs=1e-5)
    assert not any(each.problem for each in grades)
    assert {len(each.points) for each in grades} == {len(TRIALS[name].criteria)}
    for language in ("en", "zh"):
        rows = list(csv.reader(io.StringIO(to_csv(grades, language))))[1:]
        assert [(row[0], int(row[1])) for row in rows] == frequencies(grades) != []
        words = [TRIALS[name].ideas[row[0]][language == "zh"] for row in rows]
        assert [row[2] for row in rows] == words
        page = to_html(grades, language)
        assert all(row[0] in page for row in rows)
