"""The course: every assignment is whole, its solution is right, and its handout gives nothing away."""

import ast
import json
import re

import pytest
from classroom import stacked

from minires.classroom import EXERCISES, assignment, assignments, build, check, feedback, new
from minires.classroom.course import LANGUAGES, read
from minires.classroom.task import Task
from minires.classroom.trials import TRIALS
from minires.classroom.grade import seed_of
from minires.classroom.handout import EMPTY, OWN, is_blank, skeleton
from minires.errors import DataFileError, RangeError, StateError

NAMES = list(assignments())


def statements(source):
    """Every statement of a program, in the words of Python itself, without docstrings, heads and imports."""
    return {
        ast.unparse(node)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.stmt)
        and not isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom, ast.If, ast.For, ast.Pass))
        and not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
    }


def given_away(each, files):
    """Lines of the bodies of the solution that are in ``{name: text}``, as text or as a statement of its code."""
    solution, texts = each.solution(), list(files.values())
    lines = set()
    for node in ast.walk(ast.parse(solution)):
        if isinstance(node, ast.FunctionDef):
            first = node.body[ast.get_docstring(node) is not None]
            lines |= {line.strip() for line in solution.splitlines()[first.lineno - 1 : node.end_lineno]}
    found = {line for line in statements(solution) | lines if len(line) > 8 and any(line in text for text in texts)}
    for name, text in files.items():
        cells = json.loads(text)["cells"] if name.endswith(".ipynb") else []
        codes = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
        for code in codes or ([text] if name.endswith(".py") else []):
            found |= statements(solution) & statements(re.sub(r"(?m)^\s*[%!].*$", "", code))
    return found


def test_numbers_rise():
    numbers = [each.number for each in assignments().values()]
    assert numbers == sorted(set(numbers))


@pytest.mark.parametrize("name", NAMES)
def test_the_solution_is_right(name, tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(assignment(name).solution())
    assert all(found.wrong == assignment(name).files for found in check(assignment(name), path))  # none lies beside


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_handout_has_empty_functions_and_no_line_of_the_solution(name, language, tmp_path):
    each = assignment(name)
    files = build(name, tmp_path, language)
    skeleton = files[0].read_text()
    functions = [node.name for node in ast.parse(skeleton).body if isinstance(node, ast.FunctionDef)]
    assert functions == each.functions()
    assert skeleton.count("raise NotImplementedError") == len(functions)
    assert not given_away(each, {path.name: path.read_text() for path in files})
    assert all(found.right == () for found in check(each, files[0]))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_skeletons_earn_nothing_and_solutions_all_with_the_numbers_of_a_hundred_students(name, tmp_path):
    each = assignment(name)
    solution, empty = {}, {}
    exec(each.solution(), solution)
    exec(skeleton(each.solution(), each.functions()), empty)
    students = [f"student {number}" for number in range(100)]
    files = stacked.files(each.exercises[0].questions["GIVEN"], students, tmp_path) if each.files else {}
    for student in students:
        seed, mine = seed_of("a secret", student, name), files.get(student, {})
        assert sorted(mine) == sorted(each.files)
        for exercise in each.exercises:
            assert feedback(exercise, solution, seed=seed, files=mine, student=student).wrong == ()
            assert feedback(exercise, empty, seed=seed, student=student).right == ()


@pytest.mark.parametrize("name", NAMES)
def test_statements_name_every_function_and_have_the_same_formulas_in_both_languages(name):
    english, chinese = (assignment(name).statement(language) for language in LANGUAGES)
    for text in (english, chinese):
        assert all(f"`{function}(" in text for function in assignment(name).functions())
    assert len(chinese) > 0.25 * len(english)

    def formulas(text):
        return [" ".join(formula.split()) for formula in re.findall(r"\$\$?[^$]+\$\$?", text)]

    assert sorted(formulas(english)) == sorted(formulas(chinese))


def test_what_may_import_minires_says_so(tmp_path):
    for name, each in assignments().items():
        assert each.minires or not re.search(r"^\s*(from|import) minires", each.solution(), re.MULTILINE)
        assert ("minires can be imported" in build(name, tmp_path)[1].read_text()) == each.minires


def test_every_exercise_belongs_to_one_assignment():
    parts = [part for each in assignments().values() for part in each.exercises if not isinstance(part, Task)]
    assert sorted(map(str, parts)) == sorted(EXERCISES | TRIALS)


def test_what_a_student_has_written_is_not_overwritten(tmp_path):
    path, readme = build("linear", tmp_path)
    assert build("linear", tmp_path, "zh") == [path, readme] and "# 一个层" in readme.read_text()
    path.write_text(assignment("linear").solution())
    with pytest.raises(StateError, match=r"linear/linear.py has been written in, and is kept: move it away"):
        build("linear", tmp_path)
    assert path.read_text() == assignment("linear").solution() and "# 一个层" in readme.read_text()


@pytest.mark.parametrize("name", NAMES)
def test_an_earlier_build_is_known_as_such(name):
    each = assignment(name)
    empty = skeleton(each.solution(), each.functions())
    assert is_blank(empty) and is_blank(f"{OWN}\n{empty}")
    for touched in (
        empty + "\n# my notes\n",
        empty.replace(EMPTY, "pass", 1),
        empty + "\nHALF = 0.5\n",
        each.solution(),
    ):
        assert not is_blank(touched)


def test_a_build_that_nobody_has_touched_gives_way_to_a_new_one(tmp_path):
    new("demo", tmp_path)
    path = build(str(tmp_path / "demo"), tmp_path / "hw")[0]
    solution = tmp_path / "demo/solution.py"
    solution.write_text(solution.read_text().replace("y = gain x + offset\n", "y = gain x plus offset\n"))
    assert "plus offset" in build(str(tmp_path / "demo"), tmp_path / "hw")[0].read_text()
    path.write_text(path.read_text().replace(EMPTY, "return x, x  # mine", 1))
    solution.write_text(solution.read_text().replace("plus", "and"))
    with pytest.raises(StateError, match="has been written in, and is kept"):
        build(str(tmp_path / "demo"), tmp_path / "hw")
    assert "mine" in path.read_text()


def test_unknown_names():
    with pytest.raises(RangeError, match="there is no assignment 'batch': choose one of linear, "):
        assignment("batch")
    with pytest.raises(RangeError, match="language is 'fr', expected one of en, zh"):
        assignment("linear").statement("fr")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it has , expected hours, points, title, and exercises or asks"),
        ("points = ", "assignment.toml: "),
        (
            'exercises = ["nil"]\npoints = 1\nhours = 1\n[title]\nen = ""',
            "there is no exercise 'nil', there are linear",
        ),
        (
            'exercises = ["relu"]\npoints = 1\nhours = 1\nminires = "no"\n[title]\nen = ""',
            "minires is 'no', expected true or false",
        ),
    ],
)
def test_a_folder_that_is_not_whole(text, message, tmp_path):
    folder = tmp_path / "07_mine"
    folder.mkdir()
    (folder / "assignment.toml").write_text(text)
    with pytest.raises(DataFileError, match=message):
        read(folder)
