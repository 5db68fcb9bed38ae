"""Functions that are no layer: planted mistakes name themselves, what is right passes, and garbage gets no name."""

import re

import numpy as np
import pytest
from classroom.submissions import asked, expected, load, title

from minires.classroom import answer, assignment, assignments, feedback
from minires.classroom.feedback import said
from minires.classroom.task import Task, run
from minires.classroom.task_diagnosis import diagnose_task
from minires.classroom.task_example import smallest_of
from minires.errors import DataFileError, RangeError
from minires.mutants.language import mark

PARTS = [part for each in assignments().values() for part in each.exercises]
TASKS = {part.name: part for part in PARTS if isinstance(part, Task)}
MISTAKES = [(name, mistake) for name, task in TASKS.items() for mistake in task.mistakes]
each_task = pytest.mark.parametrize("name", TASKS)
each_mistake = pytest.mark.parametrize(("name", "mistake"), MISTAKES, ids=lambda value: getattr(value, "name", ""))
each_path = pytest.mark.parametrize("path", asked(), ids=title)


@each_mistake
@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_every_planted_mistake_names_itself_in_all_its_forms(name, mistake, seed):
    """Every form with a seed of its own, and slowly with all of them."""
    for number, source in enumerate(mistake.forms):
        for each in [number % 8] if not seed else range(8):
            found = diagnose_task(TASKS[name], run(source), each)
            assert (found.names, found.findings) == ((mistake.name,), ())
            assert found.wrong and not found.passed


@each_path
def test_says_what_the_first_line_of_the_submission_says(path):
    kind, what = expected(path)
    for seed in range(2):
        found = diagnose_task(TASKS[path.parent.name], load(path), seed)
        if kind == "right":
            assert found.passed and not found.names and not found.findings
        elif kind == "expect":
            assert (tuple(sorted(found.names)), found.findings, found.passed) == (what, (), False)
        else:
            assert found.names == () and found.wrong
            assert any(f"{f.kind} {f.output} {f.detail}".startswith(" ".join(what)) for f in found.findings), found


@each_task
def test_there_are_submissions_of_every_kind(name):
    kinds = [expected(path)[0] for path in asked() if path.parent.name == name]
    assert kinds.count("expect") >= 8 and kinds.count("right") >= 2 and kinds.count("general") >= 1


@each_task
def test_solution_is_right_and_skeleton_is_nothing_for_many_students(name):
    task = TASKS[name]
    empty = {function: lambda *arguments: None for function in task.defines}
    for seed in range(4):
        assert diagnose_task(task, task.solution, seed).right == task.defines
        assert not any(output.endswith("raised") for *_, right in task.cases(seed) for output in right)
        nothing = diagnose_task(task, empty, seed)
        assert nothing.right == () and not nothing.names


GARBAGE = {
    "noise": lambda a, rng: a + 1e-2 * (abs(a).max() + 1) * rng.standard_normal(np.shape(a)),
    "random": lambda a, rng: rng.standard_normal(np.shape(a)),
    "zeros": lambda a, rng: np.zeros(np.shape(a)),
    "nan": lambda a, rng: np.full(np.shape(a), np.nan),
    "first argument": lambda a, rng: None,
}


def spoil(value, make, rng):
    if isinstance(value, (tuple, list)):
        return type(value)(spoil(part, make, rng) for part in value)
    return make(np.asarray(value, float), rng)


@each_task
@pytest.mark.parametrize("kind", GARBAGE)
def test_garbage_gets_no_name(name, kind):
    task, rng = TASKS[name], np.random.default_rng(0)
    for function in task.defines:
        right = task.solution[function]

        def wrong(*arguments, right=right):
            return arguments[0] if kind == "first argument" else spoil(right(*arguments), GARBAGE[kind], rng)

        found = diagnose_task(task, task.solution | {function: wrong}, 3)
        assert found.names == () and function in found.wrong and found.findings


@each_mistake
def test_both_languages_say_it_and_the_translation_is_of_this_sentence(name, mistake):
    english, chinese = said(mistake.name), said(mistake.name, "zh")
    assert mistake.name.startswith(f"{name}.")
    assert english.endswith(".") and len(english) > 30
    assert mark(english) == mistake.of, "translate it anew, then write these digits into of"
    assert re.search("[\u4e00-\u9fff]", chinese) and chinese.endswith("。")


def largest(value):
    return max(map(largest, value)) if isinstance(value, (list, tuple)) else np.size(value)


@each_mistake
@pytest.mark.parametrize("language", ["en", "zh"])
def test_feedback_shows_a_small_input_and_no_true_number(name, mistake, language):
    task = TASKS[name]
    for source in mistake.forms[:1]:
        functions = run(source)
        found = feedback(task, functions, language)
        example, text = smallest_of(task, functions), str(found)
        assert said(mistake.name, language).split("`")[0][:20] in text
        assert example is not None and max(map(largest, example.given.values())) <= 8
        assert "Traceback" not in text and not re.search(r"/(home|root|tmp|work|usr)\b", text)
        assert found.to_html().count("<section") == 1
        if example.mine is not None:
            _, given, right = task.small[example.case]
            true = float(right[example.output][example.index])
            assert true != example.mine
            said_there = " ".join(re.sub(r"\[.*?\]", "", line) for kind, line in found.lines()[4:-1] if kind == "plain")
            assert true not in [float(number) for number in re.findall(r"-?[0-9][0-9.e+-]*(?<![.])", said_there)]


@each_task
def test_answers_are_those_of_the_solution(name, capsys):
    task = TASKS[name]
    for number, (*_, right) in list(enumerate(task.small))[::17]:
        for output, array in ((output, array) for output, array in right.items() if " " not in output):
            index = (0,) * array.ndim
            assert answer(name, number, output, index) == array[index]
            assert capsys.readouterr().out.startswith(output)
    for wrong in ((10**6, output, index), (-1, output, index), (0, "nothing", ())):
        with pytest.raises(RangeError, match="copy the command as it stands"):
            answer(name, *wrong)


def test_tutorials_have_the_headings():
    from pathlib import Path

    tutorials = sorted((Path(__file__).parents[2] / "tutorials").glob("[0-9]*.py"))
    for task in TASKS.values():
        number, heading = task.questions["READ"]
        assert f"# ## {heading}\n" in tutorials[number - 1].read_text()


PATHS = TASKS["paths"]


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (None, "missing path"),
        (lambda *arguments: 1 / 0, "raised path ZeroDivisionError: division by zero"),
        (lambda dy, *_: dy[:1], "shape path (1,) for (4,)"),
        (lambda dy, *_: (dy, dy), "kind path 2 results"),
        (lambda dy, *_: "gradient", "kind path a str"),
        (lambda dy, *_: np.zeros(len(dy)), "zeros path "),
        (lambda *arguments: 3 * PATHS.solution["path"](*arguments), "factor path 3"),
        (lambda *arguments: PATHS.solution["path"](*arguments) * np.nan, "nan path "),
    ],
)
def test_what_no_mistake_explains_is_a_finding(function, text):
    (found,) = diagnose_task(PATHS, PATHS.solution | {"path": function}).findings
    assert f"{found.kind} {found.output} {found.detail}".startswith(text)


def test_what_belongs_to_the_caller_is_left_alone():
    def path(dy, shortcuts, branches, taken):
        result = PATHS.solution["path"](dy, shortcuts, branches, taken)
        dy += 1
        return result

    found = diagnose_task(PATHS, PATHS.solution | {"path": path})
    assert found.wrong == ("path",) and [(f.kind, f.output) for f in found.findings] == [("changes", "dy")]
    assert "change dy" in str(feedback(PATHS, PATHS.solution | {"path": path}))


def test_two_mistakes_at_once_are_both_named():
    source = PATHS.source.replace("step.T @ gradient", "step @ gradient").replace("/ (whole @ whole)", "/ whole.sum()")
    found = diagnose_task(PATHS, run(source.replace("whole.sum()", "np.linalg.norm(whole)")))
    assert set(found.names) == {"paths.NotTransposed", "paths.NotDividedBySquare"} and not found.findings
    both = PATHS.source.replace("sums @ shortcut", "sums @ shortcut.T").replace("return sums\n", "return sums[::-1]\n")
    found = diagnose_task(PATHS, run(both.replace("[:-1] @ branch", "[:-1] @ branch.T")))
    assert set(found.names) == {"paths.NotTransposed", "paths.ShortcutsCounted"}


def test_a_mistake_that_is_nowhere_in_the_solution_is_refused(tmp_path):
    folder = assignment("paths").folder
    for file in ("solution.py", "questions.py"):
        (tmp_path / file).write_text((folder / file).read_text())
    row = '[[mistake]]\nname = "a"\nen = "b"\nzh = "c"\nof = "d"\nchanges = [["nowhere", ""]]\n'
    (tmp_path / "mistakes.toml").write_text(row)
    with pytest.raises(DataFileError, match="'nowhere' stands 0 times in solution.py, expected once"):
        Task("paths", (), tmp_path)
