"""A twist is another definition for each student: graded by it, checked by it, and mistakes keep their names."""

import numpy as np
import pytest
from classroom.twisted import SOLUTIONS, solution

from minires.classroom import Secret, assignment, assignments, build, check, diagnose, feedback, grade
from minires.classroom.box import TRUST
from minires.classroom.grade import seed_of
from minires.classroom.handout import skeleton
from minires.classroom.lab import settled
from minires.classroom.twists import for_student, twisted
from minires.errors import DataFileError, RangeError
from minires.gradcheck import gradcheck
from minires.mutants.language import LANGUAGES

SECRET = Secret("s", tuple(assignments()))
NAMES = [name for name, each in assignments().items() if each.twists]


def students(name):
    """The first student with each twist, ``{names of the classes: the assignment of the student}``."""
    found = {}
    for number in range(40):
        each = twisted(assignment(name), SECRET, f"student {number}")
        found.setdefault(tuple(exercise.twist.__name__ for exercise in each.exercises), each)
    return found


CASES = [pytest.param(each, id="-".join(kinds)) for name in NAMES for kinds, each in students(name).items()]


def functions(text):
    found: dict = {}
    exec(text, found)
    return found


def test_every_twist_is_drawn_and_has_a_solution_here():
    drawn = {kind for name in NAMES for kinds in students(name) for kind in kinds}
    assert drawn == SOLUTIONS.keys() == {kind for name in NAMES for kind in assignment(name).twists}
    assert {"linear", "losses", "convolution", "batchnorm", "residual"} <= set(NAMES)


@pytest.mark.parametrize("each", CASES)
def test_its_gradients_are_the_derivatives_of_its_forward(each):
    rng = np.random.default_rng(0)
    for exercise in each.exercises:
        for build_layer, shape in exercise.configurations():
            for train in (True, False):
                gradcheck(settled(build_layer, 3), rng.standard_normal(shape), train=train, method="auto")


@pytest.mark.parametrize("each", CASES)
def test_a_right_solution_is_right_and_the_common_one_is_told_that_it_is_that(each):
    for exercise in each.exercises:
        assert diagnose(exercise, functions(solution(each)), seed=5).passed
        found = diagnose(exercise, functions(each.solution()))
        assert not found.passed and not found.names
        assert {"untwisted"} <= {finding.kind for finding in found.findings}
        assert "measure(" not in str(feedback(exercise, functions(each.solution())))


WRONG = {
    "Centred": ("dy.sum(axis=0)", "dy.mean(axis=0)", "Linear.BiasAveraged"),
    "CentredFilters": ("weight[:, :, k, l]", "weight[:, :, -1 - k, -1 - l]", "Conv2d.KernelNotFlipped"),
    "MeanDeviation": ("direct -= ", "direct -= 0 * ", "BatchNorm2d.VarianceTermMissing"),
    "WithoutMean": ("* (gamma / std)", "/ std", "BatchNorm2d.GammaForgotten"),
    "ScaledBranch": ("+ branch.backward(", "+ 2 * branch.backward(", "Residual.BranchTwice"),
    "Scaled": ("np.maximum(x, 0), x > 0", "np.maximum(x, 0), x >= 0", "ReLU.AliveAtZero"),
    "Tempered": (" / len(labels)", "", "SoftmaxCrossEntropy.NotDivided"),
}


@pytest.mark.parametrize("each", CASES)
def test_a_mistake_keeps_its_name(each):
    for exercise in each.exercises:
        old, new, name = WRONG[exercise.twist.__name__]
        text = solution(each)
        assert old in text
        found = diagnose(exercise, functions(text.replace(old, new)), seed=2)
        assert (found.names, found.findings) == ((name,), ())


def test_students_differ_and_each_keeps_the_same():
    drawn = [twisted(assignment("batchnorm"), SECRET, f"s{i}").twist() for i in range(100)]
    assert len(set(drawn)) == 8 and min(map(drawn.count, drawn)) >= 3
    assert drawn == [twisted(assignment("batchnorm"), SECRET, f"s{i}").twist() for i in range(100)]
    assert drawn != [twisted(assignment("batchnorm"), Secret("t"), f"s{i}").twist() for i in range(100)]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_hundred_students_each_with_a_definition_and_numbers_of_their_own(name):
    empty = functions(skeleton(assignment(name).solution(), assignment(name).functions()))
    for number in range(100):
        student = f"student {number}"
        each = twisted(assignment(name), SECRET, student)
        right, seed = functions(solution(each)), seed_of(SECRET, student, name)
        for exercise in each.exercises:
            assert feedback(exercise, right, seed=seed).wrong == ()
            assert feedback(exercise, empty, seed=seed).right == ()


def test_off_unless_the_file_of_the_course_says_so():
    assert for_student(assignment("linear"), Secret("s", ("batchnorm",)), "ada") == assignment("linear")


@pytest.mark.parametrize("each", CASES)
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_student_reads_it_and_checks_by_it(each, language, tmp_path):
    student = next(f"student {i}" for i in range(40) if twisted(each, SECRET, f"student {i}").drawn == each.drawn)
    files = build(each.name, tmp_path, language, student=student, secret=SECRET)
    folder = tmp_path / student / each.name
    assert {path.name for path in files} == {f"{each.name}.py", "README.md", "examples.json"}
    text = (folder / "README.md").read_text()
    assert all(line in text for line in each.twist(language).splitlines()) and "check . " in text
    assert "README.md" in (folder / f"{each.name}.py").read_text().splitlines()[0]
    (folder / "mine.py").write_text(solution(each))
    assert [found.wrong for found in check(str(folder), folder / "mine.py")] == [()] * len(each.exercises)
    (folder / "mine.py").write_text(each.solution())
    assert all(found.wrong for found in check(str(folder), folder / "mine.py"))
    assert all(found.right == () for found in check(str(folder), folder / f"{each.name}.py"))


def test_a_class_is_graded_each_by_their_own(tmp_path):
    (tmp_path / "in").mkdir()
    for student in ("ada", "bob", "eve"):
        (tmp_path / f"in/{student}.py").write_text(solution(twisted(assignment("residual"), SECRET, student)))
    (tmp_path / "in/gil.py").write_text(assignment("residual").solution())
    found = {
        each.student: each for each in grade("residual", tmp_path / "in", tmp_path / "out", tier=TRUST, secret=SECRET)
    }
    assert [found[name].total for name in ("ada", "bob", "eve")] == [10] * 3 and found["gil"].total < 10
    assert "branch is scaled" in found["ada"].twist
    plain = grade("residual", tmp_path / "in", tmp_path / "out", tier=TRUST, secret=Secret("s"))
    assert {each.student: each.total == 10 for each in plain} == {"ada": False, "bob": False, "eve": False, "gil": True}


def test_folders_without(tmp_path):
    each = assignment("linear")
    with pytest.raises(RangeError, match="linear has no twists: take it out of twisted"):
        twisted(type(each)(**{**vars(each), "twists": {}}), SECRET, "ada")
    (tmp_path / "twist.py").write_text("")
    with pytest.raises(DataFileError, match="twist.py has no class Centred, which assignment.toml names: define it"):
        twisted(type(each)(**{**vars(each), "folder": tmp_path}), SECRET, "ada")
