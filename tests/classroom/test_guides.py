"""The guides for teachers and students: every command runs, in an empty folder, and says what the page shows."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from classroom.box.boxes import reason

from minires.classroom.box import BUBBLEWRAP, LANDLOCK

GUIDES = Path(__file__).parents[2] / "docs" / "guides"
HERE = "pip", "apt"  # is installed


def blocks(name):
    return re.findall(r"^```(\w+)\n(.*?)^```\n", (GUIDES / name).read_text(encoding="utf-8"), re.M | re.S)


def minires(command, folder):
    words = command.split()
    assert words[:2] == ["minires", "assign"], command
    return subprocess.run(
        [sys.executable, "-m", "minires", *words[1:]],
        cwd=folder,
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONPATH": str(GUIDES.parents[1]), "OPENBLAS_NUM_THREADS": "1"},
    )


def play(name, folder, monkeypatch):
    """Do what a guide says, and return what the last command said."""
    monkeypatch.chdir(folder)
    space, said = {"__name__": "guide"}, ""
    for kind, text in blocks(name):
        if kind == "python":
            exec(compile(text, name, "exec"), space)
        elif kind == "sh":
            for command in text.splitlines():
                if not command.startswith(HERE):
                    ran = minires(command, folder)
                    assert ran.returncode == 0, f"{command}\n{ran.stderr}"
                    said = ran.stdout
        elif kind == "console":
            command, shown = text.removeprefix("$ ").split("\n", 1)
            said = minires(command, folder).stdout
            if not (parts := shown.split("...\n"))[1:]:
                assert said == shown
            assert re.match(".*".join(map(re.escape, parts)), said, re.S), said
        else:
            assert kind == "text" and text.rstrip("\n") in said, said


def test_a_student(tmp_path, monkeypatch):
    play("hand_in.md", tmp_path, monkeypatch)


def test_a_teacher(tmp_path, monkeypatch):
    if reason(BUBBLEWRAP) and reason(LANDLOCK):
        pytest.skip(reason(BUBBLEWRAP))
    play("run_a_class.md", tmp_path, monkeypatch)
    for name in ("scores.csv", "feedback/bob.txt", "results/eve.json", "course.toml", "report.html", "report.csv"):
        assert (tmp_path / "graded" / name).is_file()
    assert (
        "<h1>" in (tmp_path / "graded/report.html").read_text()
        and "bob" not in (tmp_path / "graded/report.html").read_text()
    )
