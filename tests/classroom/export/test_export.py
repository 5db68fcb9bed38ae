"""Exports give the scores of minires assign grade, whatever is handed in, and students get no answer with them."""

import ast
import json
import os
import re
import shutil
import tarfile
import tempfile
import zipfile
from pathlib import Path

import pytest
from classroom.box.boxes import require_other_users
from classroom.export.platforms import PLATFORMS
from classroom.test_course import given_away

from minires import cli
from minires.classroom import Secret, assignment, assignments, export, grade, grade_for, new, secret_in
from minires.classroom.box import TRUST, BoxError, Tier
from minires.classroom.export.bundle import outputs
from minires.classroom.export.export import NAMELESS, NOTEBOOKS, OPEN
from minires.errors import RangeError

SOLUTION = assignment("linear").solution()
PRINTS = "import atexit, sys\nprint('{\"scores\": {\"linear y\": 100}}', file=sys.stderr)\n"
HANDED_IN = {
    "skeleton": ({"linear.py": SOLUTION.replace("return", "raise NotImplementedError\n    return")}, 0),
    "solution": ({"linear.py": SOLUTION}, 8),
    "one wrong": ({"linear.py": SOLUTION.replace("dy.sum(axis=0)", "dy.mean(axis=0)")}, 6),
    "syntax error": ({"linear.py": "def linear_forward(x) return x"}, 0),
    "missing": ({}, 0),
    "ends": ({"linear.py": SOLUTION + "\nimport os\nos._exit(0)\n"}, 0),
    "ends in a call": ({"linear.py": SOLUTION.replace("x, weight = cache", "__import__('os')._exit(0)")}, 0),
    "never ends": ({"linear.py": SOLUTION + "\nwhile True: pass\n"}, 0),
    "never ends in a call": ({"linear.py": SOLUTION.replace("x, weight = cache", "while True: pass")}, 0),
    "prints last": (
        {
            "linear.py": SOLUTION.replace(
                "x, weight = cache",
                "x, weight = cache\n    print('{\"scores\": {\"linear y\": 100}}')\n"
                "    raise ValueError('{\"scores\": {\"linear y\": 100}}')",
            )
        },
        2,
    ),
}


@pytest.fixture
def exported(tmp_path):
    """A function that exports and returns the folder."""

    def make(platform, name="linear"):
        export(name, platform, tmp_path / "exports", tmp_path / "course.toml")
        (folder,) = (tmp_path / "exports").iterdir()
        return folder

    return make


def write(folder, files):
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("platform", PLATFORMS)
def test_runs_as_its_platform_would(platform, exported, tmp_path):
    folder, scores = exported(platform), {}
    for number, (case, (files, _)) in enumerate(HANDED_IN.items()):
        submission = write(tmp_path / f"in/{number}", files)
        (tmp_path / f"run{number}").mkdir()
        scores[case] = PLATFORMS[platform](folder, submission, tmp_path / f"run{number}")
    graded = grade("linear", tmp_path / "in", tmp_path / "out", tier=TRUST, secret=Secret("s"))
    assert scores == {case: each.total for case, each in zip(HANDED_IN, graded)}
    assert scores == {case: score for case, (_, score) in HANDED_IN.items()}


@pytest.mark.slow
@pytest.mark.parametrize("bubblewrap", [True, False])
@pytest.mark.parametrize("user", [0, 65534])
def test_gradescope_as_root_and_as_a_user(user, bubblewrap, exported, tmp_path):
    require_other_users()
    with tempfile.TemporaryDirectory() as open_folder:  # tmp_path is closed to others
        os.chmod(open_folder, 0o755)
        env = {}
        if not bubblewrap:
            os.mkdir(f"{open_folder}/bin")
            for program in ("sh", "chmod", "dirname"):
                os.symlink(shutil.which(program), f"{open_folder}/bin/{program}")
            env["PATH"] = f"{open_folder}/bin"
        folder, scores = exported("gradescope"), {}
        for number, (case, (files, _)) in enumerate(HANDED_IN.items()):
            to = Path(open_folder, str(number))
            to.mkdir()
            submission = write(tmp_path / f"in/{number}", files)
            scores[case] = PLATFORMS["gradescope"](folder, submission, to, user, **env)
    assert scores == {case: score for case, (_, score) in HANDED_IN.items()}


@pytest.mark.parametrize("platform", PLATFORMS)
def test_one_runs_as_its_platform_would(platform, exported, tmp_path):
    submission = write(tmp_path / "in", HANDED_IN["prints last"][0])
    (tmp_path / "run").mkdir()
    assert PLATFORMS[platform](exported(platform), submission, tmp_path / "run") == 2


@pytest.mark.parametrize("platform", PLATFORMS)
def test_an_assignment_of_ones_own_goes_with_it(platform, exported, tmp_path, monkeypatch):
    new("demo", tmp_path)
    folder = exported(platform, str(tmp_path / "demo"))
    right = (tmp_path / "demo/solution.py").read_text()
    wrong = right.replace("dy * gain", "dy")
    where = {"gradescope": "source", "autolab": "", "prairielearn": "question/tests"}.get(platform, "")
    if platform in OPEN:
        assert not [path for path in folder.rglob("*") if "solution" in path.name]
        where = {"actions": "repository", "classroom50": "autograder"}[platform]
    elif platform == "gradescope":
        with zipfile.ZipFile(folder / "autograder.zip") as archive:
            archive.extractall(folder / "source")
    elif platform == "autolab":
        with tarfile.open(folder / "autograde.tar") as archive:
            archive.extractall(folder, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
    monkeypatch.chdir(folder / where)
    name = "." if platform in OPEN else "./demo"
    for number, (text, score) in enumerate([(right, 10), (wrong, 7.5), ("", 0)]):
        submission = write(tmp_path / f"in/{number}", {"demo.py": text})
        found, _ = grade_for(platform, name, submission, tmp_path / "out", tier=TRUST)
        assert found.total == score


def test_results_are_there_first_with_no_points_and_gone_where_the_box_fails(tmp_path, monkeypatch):
    path, seen = tmp_path / "results.json", []

    def command(*pipes):
        seen.append(json.loads(path.read_text())["score"])
        return ["/nowhere"]

    submission = write(tmp_path / "in", {"linear.py": SOLUTION})
    with pytest.raises(BoxError):
        grade_for("gradescope", "linear", submission, tmp_path, tier=Tier("broken", command))
    assert seen == [0] and not path.exists()


def test_without_a_box_the_platform_gets_nothing(tmp_path, monkeypatch, capsys):
    def none():
        raise BoxError("no box holds on this machine")

    monkeypatch.setattr("minires.cli.assignments.strongest", none)
    write(tmp_path / "in", {"linear.py": SOLUTION})
    line = f"assign grade linear {tmp_path / 'in'} --to gradescope --out {tmp_path / 'out'}"
    assert cli.main(line.split()) == 3 and not (tmp_path / "out").exists()


EXPORTS = [
    (name, platform)
    for name, each in assignments().items()
    for platform in (*PLATFORMS, *NOTEBOOKS)
    if not (each.files and platform in (*NAMELESS, *NOTEBOOKS))  # which do not pass them on
]


@pytest.mark.parametrize(("name", "platform"), EXPORTS)
def test_students_get_no_line_of_the_solution(platform, name, exported, tmp_path):
    if platform in NOTEBOOKS:
        pytest.importorskip("jupytext")
    folder = exported(platform, name)
    paths = [path for path in folder.rglob("*") if path.suffix not in (".zip", ".tar") and path.is_file()]
    texts = {str(path): path.read_text() for path in paths}
    assert len(texts) > 1 and not given_away(assignment(name), texts)
    assert "What it promises" in (folder / "README.md").read_text()
    secret = secret_in(tmp_path / "course.toml").secret
    assert not any(secret in text for text in texts.values()) or platform == "prairielearn"


def test_the_open_ones_say_that_a_result_can_be_forged(exported):
    for platform in ("actions", "classroom50"):
        text = " ".join((exported(platform) / "README.md").read_text().split())
        assert "no grade" in text and "forge" in text and "minires assign grade linear" in text
        for path in exported(platform).rglob("*"):
            assert "course" not in path.name
        shutil.rmtree(exported(platform))


@pytest.mark.parametrize("platform", NAMELESS)
def test_twists_need_a_platform_that_says_who_the_student_is(platform, tmp_path):
    course = tmp_path / "course.toml"
    course.write_text('secret = "s"\ntwisted = ["linear"]\n')
    with pytest.raises(
        RangeError, match=f"{platform} does not tell the grader who the student is, and linear is twisted"
    ):
        export("linear", platform, tmp_path / "out", course)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", assignments())
def test_every_assignment_has_its_points_in_what_is_exported(name, tmp_path):
    each = assignment(name)
    worth = outputs(each)
    assert sum(worth.values()) == pytest.approx(each.points) and len(worth) > 1
    export(name, "gradescope", tmp_path, tmp_path / "course.toml")
    export(name, "actions", tmp_path, tmp_path / "course.toml")
    if each.files:
        for platform in (*NAMELESS, *NOTEBOOKS):
            with pytest.raises(
                RangeError, match=f"which {platform} does not pass on: grade it with minires assign grade"
            ):
                export(name, platform, tmp_path, tmp_path / "course.toml")


def test_unknown_platforms_and_words_that_do_not_fit(tmp_path, capsys):
    with pytest.raises(RangeError, match="there is no platform 'moodle': choose one of gradescope, "):
        export("linear", "moodle", tmp_path, tmp_path / "course.toml")
    assert cli.main(["assign", "export", "linear"]) == 2
    assert cli.main(["assign", "list", "--to", "otter"]) == 2
    assert "list takes no --to" in capsys.readouterr().err
    write(tmp_path / "in", {})
    assert cli.main(["assign", "grade", "linear", str(tmp_path / "in"), "--to", "otter", "--trust-submissions"]) == 2


def test_cells_for_nbgrader_and_tests_for_otter(exported, tmp_path):
    pytest.importorskip("jupytext")
    folder = exported("nbgrader")
    notebook = json.loads((folder / "linear/linear.ipynb").read_text())
    marks = [cell["metadata"]["nbgrader"] for cell in notebook["cells"]]
    assert sum(mark["points"] for mark in marks if mark["grade"]) == 8 and len({m["grade_id"] for m in marks}) == len(
        marks
    )
    texts = ["".join(cell["source"]) for cell in notebook["cells"]]
    assert sum("### BEGIN SOLUTION" in text for text in texts) == 2
    names: dict = {}
    exec(SOLUTION.replace("dy.sum(axis=0)", "dy.mean(axis=0)"), names)
    results = {}
    for text in (text for text, mark in zip(texts, marks) if mark["grade"]):
        output = re.match("# (.*)", text)[1]
        try:
            exec(text, names)
            results[output] = True
        except AssertionError as error:
            results[output] = False
            assert "Wrong: dbias" in str(error)
    assert results == {"linear y": True, "linear dx": True, "linear dweight": True, "linear dbias": False}


def test_the_cells_for_nbgrader_speak_the_language_of_the_notebook(tmp_path):
    pytest.importorskip("jupytext")
    export("linear", "nbgrader", tmp_path, tmp_path / "course.toml", "zh")
    cells = json.loads((tmp_path / "linear-nbgrader/linear/linear.ipynb").read_text())["cells"]
    with pytest.raises(AssertionError, match="没有找到：linear_forward"):
        exec("".join(cells[-1]["source"]), {})


def test_tests_for_otter(exported):
    pytest.importorskip("jupytext")
    folder = exported("otter")
    tests = [ast.literal_eval(p.read_text().partition("test = ")[2]) for p in (folder / "tests").glob("*.py")]
    assert sum(test["points"] for test in tests) == 8 and len(tests) == 4
