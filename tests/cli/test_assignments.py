"""minires assign: from the handout to the report on a class."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from classroom.submissions import FOLDER

from minires import cli
from minires.classroom import assignment
from minires.classroom.box import BoxError


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def run(line):
    return cli.main(line.split())


def test_the_assignments_are_listed(capsys):
    assert run("assign list --json --lang zh") == 0
    found = json.loads(capsys.readouterr().out)["assignments"]
    assert found["batchnorm"]["title"] == "批归一化：完整的三项"
    assert found["losses"]["functions"][-1] == "softmax_cross_entropy_backward"
    assert run("assign list") == 0
    assert "5 batchnorm" in capsys.readouterr().out


def test_a_teacher_begins_an_assignment(capsys):
    assert run("assign new demo") == 0
    assert "demo/assignment.toml" in capsys.readouterr().out.split()
    assert run("assign list demo --json --lang zh") == 0
    assert json.loads(capsys.readouterr().out)["assignments"]["demo"]["title"] == "缩放与平移"
    assert run("assign build demo --out hw") == 0
    assert run("assign check demo demo/solution.py") == 0
    assert run("assign check demo hw/demo/demo.py") == 1
    assert run("assign new demo") == 2
    assert "demo is there: choose another name" in capsys.readouterr().err


def test_a_student_builds_fails_and_passes(capsys):
    assert run("assign build linear --out hw") == 0
    assert capsys.readouterr().out.split() == ["hw/linear/linear.py", "hw/linear/README.md"]
    assert run("assign check linear hw/linear/linear.py") == 1
    assert "yours to write" in capsys.readouterr().out
    Path("hw/linear/linear.py").write_text(assignment("linear").solution())
    assert run("assign check linear hw/linear/linear.py --lang zh") == 0
    assert "全部输出正确" in capsys.readouterr().out
    assert run("assign check linear hw/linear/linear.py --json") == 0
    assert json.loads(capsys.readouterr().out)["exercises"][0]["wrong"] == []


def test_a_teacher_grades_and_reports(capsys):
    Path("in").mkdir()
    Path("in/ada.py").write_text(assignment("linear").solution())
    Path("in/bob.py").write_text((FOLDER / "linear/given_bias_axis.py").read_text())
    assert run("assign grade linear in --out graded --trust-submissions") == 0
    found = capsys.readouterr()
    assert "6 of 8   bob   Linear.BiasOverWrongAxis" in found.out and "box: trust" in found.out
    assert "2/2 " in found.err
    assert Path("graded/course.toml").stat().st_mode & 0o77 == 0
    assert run("assign grade linear in --out graded --trust-submissions --json") == 0
    assert [each["total"] for each in json.loads(capsys.readouterr().out)["grades"]] == [8, 6]
    assert run("assign report graded --names --lang zh --json") == 0
    assert json.loads(capsys.readouterr().out)["misconceptions"] == {"Linear.BiasOverWrongAxis": 1}
    assert "bob" in Path("graded/report.html").read_text()
    assert run("assign report graded") == 0
    assert "1 of 2   Linear.BiasOverWrongAxis" in capsys.readouterr().out
    assert "bob" not in Path("graded/report.html").read_text()


def test_the_second_time_it_says_how_many_were_kept(capsys):
    Path("in").mkdir()
    for name in ("ada", "bob", "eve"):
        Path(f"in/{name}.py").write_text(assignment("linear").solution())
    line = "assign grade linear in --out graded --trust-submissions"
    assert run(line) == 0
    assert "kept" not in capsys.readouterr().out
    Path("in/ada.py").unlink()
    Path("in/bob.py").write_text("")
    assert run(line) == 0
    assert "\nkept as graded before: 2, graded now: 1\n" in capsys.readouterr().out
    assert run(f"{line} --lang zh") == 0
    assert "\n沿用之前的评分：1，本次评分：2\n" in capsys.readouterr().out
    assert Path("graded/scores.csv").read_text().count("\n") == 4


def test_a_report_goes_where_it_is_told(capsys):
    Path("in").mkdir()
    wrong = assignment("linear").solution().replace("dy.sum(axis=0)", "0.3 * dy.sum(axis=0)")
    Path("in/ada.py").write_text(wrong)
    assert run("assign grade linear in --out graded --trust-submissions") == 0
    before = sorted(Path("graded").rglob("*"))
    assert run("assign report graded --out pages/monday") == 0
    out = capsys.readouterr().out
    assert "report: pages/monday/report.html and pages/monday/report.csv" in out
    assert "1 of 1   linear: dbias is off by one factor" in out
    assert sorted(path.name for path in Path("pages/monday").iterdir()) == ["report.csv", "report.html"]
    assert sorted(Path("graded").rglob("*")) == before
    assert run("assign report graded") == 0
    assert Path("graded/report.html").read_bytes() == Path("pages/monday/report.html").read_bytes()


def test_interrupted_before_any_result_it_says_nothing_of_results(capsys, monkeypatch):
    def interrupted():
        raise KeyboardInterrupt

    Path("in").mkdir()
    Path("in/ada.py").write_text(assignment("linear").solution())
    with monkeypatch.context() as patch:
        patch.setattr("minires.cli.assignments.strongest", interrupted)
        assert run("assign grade linear in --out graded") == 130
        assert "stays in" not in capsys.readouterr().err
        assert run("assign grade linear in --out graded --trust-submissions") == 0
        capsys.readouterr()
        assert run("assign grade linear in --out graded") == 130
        assert "what is graded stays in graded: the same command goes on" in capsys.readouterr().err


def test_without_a_box_nothing_is_graded(capsys, monkeypatch):
    def none():
        raise BoxError("no box holds on this machine")

    monkeypatch.setattr("minires.cli.assignments.strongest", none)
    Path("in").mkdir()
    Path("in/ada.py").write_text("")
    assert run("assign grade linear in --out graded") == 3
    assert "no box holds" in capsys.readouterr().err
    assert not Path("graded").exists()


def test_the_secret_is_closed_from_its_first_moment(monkeypatch):
    seen, real = [], os.fsync
    monkeypatch.setattr(os, "fsync", lambda number: (seen.append(os.fstat(number).st_mode & 0o777), real(number))[1])
    Path("in").mkdir()
    Path("in/ada.py").write_text("")
    before = os.umask(0)
    try:
        assert run("assign grade linear in --out graded --trust-submissions") == 0
    finally:
        os.umask(before)
    assert seen[0] == 0o600 and Path("graded/course.toml").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "line",
    [
        "grade linear nowhere --out graded",
        "grade linear empty --out graded --course courses/a.toml",
        "grade linear twice --out graded",
        "grade linaer in --out graded",
        "grade linear in --out graded --jobs 0",
        "grade linear in --to otter --out graded",
        "grade linaer in --to autolab --out graded --course courses/a.toml",
        "grade linaer in --to gradescope --out graded",
        "build linaer --out handouts --course courses/a.toml --student ada",
        "build linear --out handouts --course courses/a.toml --student ../ada",
        "build linear --out handouts --course courses/a.toml --student ada --student .bob",
        "export linaer --to autolab --out exported",
        "export train --to autolab --out exported --course courses/a.toml",
        "new linear --out mine",
        "new a-b --out mine",
        "report nowhere",
        "report nowhere --out pages",
        "report empty",
        "check linaer in/ada.py",
    ],
)
def test_what_is_wrong_makes_nothing(line, capsys):
    for name in ("in/ada.py", "twice/ada.py", "twice/ada.zip", "empty/notes.txt"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text("")
    before = sorted(Path.cwd().rglob("*"))
    assert run(f"assign {line}" + " --trust-submissions" * line.startswith("grade")) == 2
    assert capsys.readouterr().err.startswith("minires: ")
    assert sorted(Path.cwd().rglob("*")) == before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_grading_in_order_and_the_same_command_goes_on(number):
    Path("in").mkdir()
    for i in range(6):
        Path(f"in/s{i}.py").write_text(assignment("linear").solution() + "\nimport time\ntime.sleep(0.7)\n")
    line = [
        sys.executable,
        "-m",
        "minires",
        *"assign grade linear in --out graded --trust-submissions --jobs 1".split(),
    ]
    grader = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert grader.stderr.readline() == "1/6 s0\n"
    grader.send_signal(number)
    out, err = grader.communicate(timeout=60)
    assert grader.returncode == 128 + number and out == ""
    assert "what is graded stays in graded: the same command goes on" in err and "Traceback" not in err
    done = sorted(path.stem for path in Path("graded/results").iterdir())
    assert 1 <= len(done) < 6 and not Path("graded/scores.csv").exists()
    kept = Path("graded/results/s0.json").stat().st_mtime_ns
    assert subprocess.run(line, capture_output=True).returncode == 0
    assert Path("graded/results/s0.json").stat().st_mtime_ns == kept
    assert len(list(Path("graded/results").iterdir())) == 6


def test_what_a_student_reads_is_wrapped_on_a_terminal_alone(capsys, monkeypatch):
    Path("mine.py").write_text(assignment("linear").solution().replace("dy.sum(axis=0)", "dy.mean(axis=0)"))
    monkeypatch.setenv("COLUMNS", "50")
    assert run("assign check linear mine.py") == 1
    whole = capsys.readouterr().out
    assert max(map(len, whole.splitlines())) > 100
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert run("assign check linear mine.py") == 1
    lines = capsys.readouterr().out.splitlines()
    assert "\n".join(lines).split() == whole.split()
    assert all(len(line) <= 50 or line.startswith("    python -c ") for line in lines)
