"""Hostile submissions gain nothing, end in time, and leave nothing behind."""

import os
import subprocess
import sys
import time

import pytest
from classroom.box import control, table
from classroom.box.attacks import ALL, LIMIT, RIGHT, grade
from classroom.box.boxes import boxes, reason, require_other_users
from classroom.box.table import descendants

from minires.classroom.box import BUBBLEWRAP, LANDLOCK, Box, Failure

FEW = [
    "fork",
    "files of the host",
    "raw calls",
    "minires",
    "an answer of zeros",
    "noise",
    "a subclass",
    "right twice",
    "loop",
]


def attack(tier, name, folder):
    began = time.monotonic()
    points, reason = grade(tier, ALL[name])
    took = time.monotonic() - began
    assert points == 0
    assert "OPEN" not in reason
    assert took < 6 * LIMIT + 2.5, "each call ends by its limit, and a box starts in about a second"
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("tier", boxes())
@pytest.mark.parametrize("name", FEW)
def test_some_attacks(tier, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    attack(tier(), name, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("tier", boxes())
@pytest.mark.parametrize("name", list(ALL))
def test_every_attack(tier, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    attack(tier(), name, tmp_path)


@pytest.mark.parametrize("tier", boxes())
def test_a_right_submission_has_its_points(tier):
    assert grade(tier(), RIGHT) == (1, "")


@pytest.mark.parametrize("tier", boxes())
def test_no_process_stays(tier):
    with pytest.raises(Failure, match="longer than (0.3 s of computing time|1.2 s on the clock)"), Box(tier()) as box:
        box.load("def f():\n  while 1: pass")
        box.call("f", seconds=0.3)
    time.sleep(0.2)
    assert not descendants(os.getpid())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["exit in call", "files of the host", "zeros"])
def test_a_grader_in_one_process_falls_for_some(name):
    require_other_users()
    if reason(BUBBLEWRAP):
        pytest.skip("that needs a container of its own")
    wanted = {"exit in call": "FULL MARKS", "files of the host": "OPEN"}
    assert control.verdict(ALL[name]) == wanted.get(name, "fails")
    assert control.verdict(RIGHT) == "FULL MARKS"


@pytest.mark.slow
def test_the_table_of_all_settings():
    """Of two attacks; ``table.py`` itself has all of them."""
    if os.getuid() != 0 or reason(BUBBLEWRAP) or reason(LANDLOCK):
        pytest.skip("both boxes are needed, and root, who can be others")
    run = subprocess.run([sys.executable, table.__file__, "fork"], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.count("0 of 2 do what they must not; canary: 0 hits of ") == 4
