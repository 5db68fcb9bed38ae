"""Assignments of a teacher's own: a folder, of which the solution is the definition."""

import re

import pytest

from minires.classroom import Secret, assignment, build, check, diagnose, grade, new
from minires.classroom.box import TRUST
from minires.errors import DataFileError, RangeError


@pytest.fixture
def demo(tmp_path):
    new("demo", tmp_path)
    return tmp_path / "demo"


def change(path, old, by):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, by))


def graded(folder, tmp_path, **submissions):
    (tmp_path / "in").mkdir()
    for student, text in submissions.items():
        (tmp_path / f"in/{student}.py").write_text(text)
    found = grade(str(folder), tmp_path / "in", tmp_path / "out", tier=TRUST, secret=Secret("s"))
    return {each.student: each for each in found}


def test_a_new_one_builds_and_grades_at_once(demo, tmp_path):
    right = (demo / "solution.py").read_text()
    files = build(str(demo), tmp_path / "handouts")
    assert "return" not in re.sub('""".*?"""', "", files[0].read_text(), flags=re.DOTALL)
    wrong = right.replace("dy.sum(axis=0)", "dy.mean(axis=0)")
    found = graded(demo, tmp_path, ada=right, bob=wrong, eve=files[0].read_text())
    assert [found[name].total for name in ("ada", "bob", "eve")] == [10, 7.5, 0]
    assert found["bob"].points["scale doffset"] == 0
    assert "1/N times" in found["bob"].feedback and "measure" not in found["bob"].feedback


def test_edited_in_two_places_it_builds_and_grades(demo, tmp_path):
    """The definition, and what it takes."""
    change(
        demo / "solution.py", "y = gain * x + offset\n    return y, (x, gain)", "return power * x + gain, (x, power)"
    )
    change(demo / "solution.py", "(x, gain, offset)", "(x, gain, power)")
    change(
        demo / "solution.py",
        "x, gain = cache\n    return dy * gain, (dy * x).sum(axis=0), ",
        "x, power = cache\n    return power * dy, ",
    )
    change(demo / "assignment.toml", 'offset = ["D"]', "power = 3")
    right = (demo / "solution.py").read_text()
    build(str(demo), tmp_path / "handouts")
    found = graded(demo, tmp_path, ada=right, bob=right.replace("power * dy", "dy"))
    assert found["ada"].total == 10 and found["ada"].points.keys() == {"scale y", "scale dx", "scale dgain"}
    assert found["bob"].points["scale dx"] == 0 and found["bob"].points["scale dgain"] > 0


def test_exercises_of_the_course_keep_their_diagnosis(demo, tmp_path):
    (demo / "assignment.toml").write_text('exercises = ["relu"]\npoints = 3\nhours = 1\n[title]\nen = "Mine"\n')
    text = "def relu_forward(x):\n    return x * (x > 0), x\ndef relu_backward(dy, cache):\n    return dy\n"
    found = graded(demo, tmp_path, ada=text)["ada"]
    assert (found.assignment, found.total, found.out_of) == ("demo", 1.5, 3)
    assert found.names == ["ReLU.PassesEverything"] and "measure(" in found.feedback


def test_a_solution_whose_gradient_is_wrong_grades_nobody(demo):
    change(demo / "solution.py", "dy.sum(axis=0)", "dy.mean(axis=0)")
    wrong = r"demo/solution.py: the solution is wrong for x of shape \(4, 3\): scale_backward: offset"
    with pytest.raises(DataFileError, match=wrong) as error:
        assignment(str(demo))
    assert "FunctionLayer" not in str(error.value) and "assignment.toml" not in str(error.value)


@pytest.mark.parametrize(
    ("old", "by", "message"),
    [
        ("gain * x + offset\n", "gain * x + ofset\n", r"NameError: name 'ofset' is not defined.* \(line 9\)"),
        ("return dy * gain, ", "return ", "scale_backward: returns a tuple of 2, expected a tuple of 3"),
        ("y = gain * x + offset", "x *= 2; y = gain * x + offset", "scale_forward and scale_backward: broken promise"),
    ],
)
def test_a_solution_that_fails_is_named_with_its_function(demo, old, by, message):
    change(demo / "solution.py", old, by)
    with pytest.raises(
        DataFileError, match=f"demo/solution.py: the solution is wrong for x of shape .*: {message}"
    ) as error:
        assignment(str(demo))
    assert "FunctionLayer" not in str(error.value) and "assignment.toml" not in str(error.value)


def test_what_is_not_whole_is_told_where_an_example_lies(demo):
    (demo / "assignment.toml").write_text("")
    with pytest.raises(DataFileError, match="compare it with one that is whole, as .minires assign new NAME. makes it"):
        assignment(str(demo))


@pytest.mark.parametrize(
    ("old", "by", "message"),
    [
        ('x = ["N", "D"]', 'x = "ND"', r"x = 'ND' and sizes = .*, expected lists|the axis"),
        ('x = ["N", "D"]', "x = [0]", "has the axis 0, expected a letter"),
        ('x = ["N", "D"]', "", "exercises.scale has sizes, takes, expected x, sizes and takes"),
        ("N = 4, D = 3", "N = 4", "has the size {'N': 4}, expected D, N"),
        ("N = 4, D = 3", "N = 4, D = 0", "has the size .*expected D, N, from 1 on"),
        ("sizes = [{ N = 4, D = 3 }, { N = 2, D = 5 }]", "sizes = []", "expected lists that are not empty"),
        ("[exercises.scale]", "[exercises.other]", "demo/solution.py has no function 'other_forward': define it"),
        ("points = 10", "marks = 10", "it has exercises, hours, marks, title, expected"),
        ("points = 10", "points = 'ten'", "points is 'ten', expected a number above 0"),
        ("points = 10", "points = -1", "points is -1, expected a number above 0"),
        ('en = "A scale and an offset"', "", "title has zh, expected at least en"),
    ],
)
def test_a_manifest_that_is_not_whole(demo, old, by, message):
    change(demo / "assignment.toml", old, by)
    with pytest.raises(DataFileError, match=message):
        assignment(str(demo))


def test_a_solution_that_cannot_be_run(demo):
    (demo / "solution.py").write_text("def scale_forward(x:\n")
    with pytest.raises(DataFileError, match="solution.py, line 1: .*mend it first") as error:
        assignment(str(demo))
    assert "assignment.toml" not in str(error.value)


def test_a_folder_without_a_chinese_statement(demo, tmp_path):
    (demo / "statement.zh.md").unlink()
    build(str(demo), tmp_path / "handouts")
    with pytest.raises(RangeError, match="demo has no statement.zh.md: write it, or take another language"):
        build(str(demo), tmp_path / "handouts", "zh")


@pytest.mark.parametrize("name", ["linear", "my demo", "../demo", "", "3"])
def test_names_that_are_none(name, tmp_path):
    with pytest.raises(RangeError, match="expected letters, digits and _, and none of linear, "):
        new(name, tmp_path)
    assert not any(tmp_path.iterdir())


def test_a_folder_that_is_there_is_left(demo, tmp_path):
    before = (demo / "solution.py").read_text()
    with pytest.raises(RangeError, match="demo is there: choose another name"):
        new("demo", tmp_path)
    assert (demo / "solution.py").read_text() == before


def test_a_solution_is_right_by_its_own_definition(demo, tmp_path):
    each = assignment(str(demo))
    assert all(found.wrong == () for found in check(each, demo / "solution.py"))
    solution: dict = {}
    exec((demo / "solution.py").read_text(), solution)
    for seed in range(3):
        assert diagnose(each.exercises[0], solution, seed).passed
