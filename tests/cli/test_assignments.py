"""minires assign: from the handout to the report on a class."""

import json
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
    assert Path("graded/secret").stat().st_mode & 0o77 == 0
    assert run("assign grade linear in --out graded --trust-submissions --json") == 0
    assert [each["total"] for each in json.loads(capsys.readouterr().out)["grades"]] == [8, 6]
    assert run("assign report graded --names --lang zh --json") == 0
    assert json.loads(capsys.readouterr().out)["misconceptions"] == {"Linear.BiasOverWrongAxis": 1}
    assert "bob" in Path("graded/report.html").read_text()
    assert run("assign report graded") == 0
    assert "1 of 2   Linear.BiasOverWrongAxis" in capsys.readouterr().out
    assert "bob" not in Path("graded/report.html").read_text()


def test_without_a_box_nothing_is_graded(capsys, monkeypatch):
    def none():
        raise BoxError("no box holds on this machine")

    monkeypatch.setattr("minires.cli.assignments.strongest", none)
    Path("in").mkdir()
    Path("in/ada.py").write_text("")
    assert run("assign grade linear in --out graded") == 3
    assert "no box holds" in capsys.readouterr().err
    assert not Path("graded").exists()
