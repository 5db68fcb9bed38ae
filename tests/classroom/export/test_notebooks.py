"""nbgrader and otter-grader themselves, where they are installed: pip install nbgrader otter-grader jupytext."""

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from classroom.export.test_export import HANDED_IN

from minires.classroom import Secret, export, grade
from minires.classroom.box import TRUST

PROGRAMS = Path(sys.executable).parent
ENV = os.environ | {"PATH": f"{PROGRAMS}:{os.environ['PATH']}", "JUPYTER_ALLOW_INSECURE_WRITES": "1"}


def run(folder, *words, seconds=300):
    """What a program says; it is ended after ``seconds``, as platforms do."""
    how = {"cwd": folder, "env": ENV, "text": True, "start_new_session": True}
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **how)
    try:
        return process.communicate(timeout=seconds)[0]
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # a kernel ends when its parent does
        return process.communicate()[0]


def filled(path, text):
    """The notebook at ``path`` with the text of a submission in the cells of its functions."""
    notebook = json.loads(path.read_text())
    parts = text.split("\n\n\ndef ")
    bodies = iter([parts[0]] if len(parts) < 3 else ["def " + part for part in parts[1:]])
    for cell in notebook["cells"]:
        if "raise NotImplementedError" in "".join(cell["source"]):
            cell["source"] = next(bodies, "pass")
    return json.dumps(notebook)


def by_assign_grade(tmp_path, notebooks):
    (tmp_path / "in").mkdir()
    for number, notebook in notebooks.items():
        (tmp_path / f"in/{number}").mkdir()
        if notebook:
            (tmp_path / f"in/{number}/linear.ipynb").write_text(notebook)
    found = grade("linear", tmp_path / "in", tmp_path / "graded", tier=TRUST, secret=Secret("s"))
    return {int(each.student): each.total for each in found}


CASES = [case for case in HANDED_IN if case not in ("missing", "skeleton")]  # which come last
ENDLESS = CASES.index("never ends")  # nbgrader interrupts that cell and goes on
LOOSE = CASES.index("ends")  # what stands in a cell beside the functions ends the notebook, and is not handed in


SKELETON, MISSING = len(CASES), len(CASES) + 1


def handed_in(empty):
    """{number: text of a notebook}: of CASES, the empty one, and nothing at all."""
    texts = {n: filled(empty, HANDED_IN[case][0]["linear.py"]) for n, case in enumerate(CASES)}
    return texts | {SKELETON: empty.read_text(), MISSING: ""}


@pytest.mark.slow
def test_nbgrader(tmp_path):
    pytest.importorskip("nbgrader")
    export("linear", "nbgrader", tmp_path, tmp_path / "course.toml")
    course = tmp_path / "course"
    course.mkdir()
    (tmp_path / "linear-nbgrader").rename(course / "source")
    (course / "source/README.md").unlink()
    (course / "nbgrader_config.py").write_text(
        "c = get_config()\nc.ExecutePreprocessor.timeout = 10\nc.Execute.timeout = 10\nc.Exchange.course_id = 'c'\n"
    )
    made = run(course, "nbgrader", "generate_assignment", "linear", "--create")
    released = course / "release/linear/linear.ipynb"
    assert released.exists(), made
    notebooks = handed_in(released)
    for number, text in notebooks.items():
        folder = course / f"submitted/{number}/linear"
        folder.mkdir(parents=True)
        if text:
            (folder / "linear.ipynb").write_text(text)
    log = run(course, "nbgrader", "autograde", "linear", "--create")
    run(course, "nbgrader", "export", "--to", "grades.csv")
    with open(course / "grades.csv") as file:
        rows = {int(row["student_id"]): row for row in csv.DictReader(file)}
    wanted = by_assign_grade(tmp_path, notebooks)
    scores = {number: float(row["score"] or 0) for number, row in rows.items()}
    scores.setdefault(MISSING, 0.0)  # nbgrader lists nobody who handed in nothing
    assert wanted[LOOSE] == 8 and scores[LOOSE] == 0
    assert scores == wanted | {LOOSE: 0}, log


@pytest.mark.slow
def test_otter(tmp_path):
    pytest.importorskip("otter")
    export("linear", "otter", tmp_path, tmp_path / "course.toml")
    folder = tmp_path / "linear-otter"
    made = run(folder, "otter", "generate", "-t", "tests", "-r", "requirements.txt", "-o", "autograder.zip")
    assert (folder / "autograder.zip").exists(), made
    notebooks, scores, log = handed_in(folder / "linear.ipynb"), {}, {}
    for number, text in notebooks.items():
        place, archive = tmp_path / f"otter{number}", folder / "autograder.zip"
        place.mkdir()
        if text:
            (place / "linear.ipynb").write_text(text)
        limit = 30 if number in (ENDLESS, ENDLESS + 1) else 300  # beside the functions, and in one
        words = "otter", "run", "-a", str(archive), "-o", str(place), "linear.ipynb"
        log[number], path = run(place, *words, seconds=limit), place / "results.json"
        tests = json.loads(path.read_text())["tests"] if path.exists() else []
        scores[number] = sum(test["score"] for test in tests if test["name"] != "Public Tests")
    wanted = by_assign_grade(tmp_path, notebooks)
    assert wanted[LOOSE] == wanted[ENDLESS] == 8
    assert scores == wanted | {LOOSE: 0, ENDLESS: 0}, log
