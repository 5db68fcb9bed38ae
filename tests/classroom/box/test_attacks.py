"""Hostile submissions gain nothing, end in time, and leave nothing behind."""

import os
import time
from pathlib import Path

import numpy as np
import pytest
from classroom.box.attacks import ALL, RIGHT
from classroom.box.boxes import boxes

from minires.classroom.box import Box, Failure

LIMIT = 0.5
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


def grade(tier, source):
    """(points, what went wrong) of a submission: one point, if it is right for five inputs that it cannot know."""
    rng = np.random.default_rng()
    try:
        with Box(tier) as box:
            box.load(source, seconds=LIMIT)
            for columns in range(5, 10):
                x = rng.standard_normal((3, columns)).astype(np.float32)
                given = x.copy()
                y = box.call("f", given, seconds=LIMIT)
                if not (y.shape == x.shape and y.dtype == x.dtype and np.array_equal(y, np.maximum(x, 0))):
                    return 0, "wrong"
                if not np.array_equal(given, x):
                    return 0, "x is overwritten"
    except Failure as error:
        return 0, f"{error.kind}: {error}"
    return 1, ""


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
    with pytest.raises(Failure, match="longer than 0.3 s"), Box(tier()) as box:
        box.load("def f():\n  while 1: pass")
        box.call("f", seconds=0.3)
    time.sleep(0.2)
    assert not [pid for pid in workers() if children_of(pid) == os.getpid()]


def workers():
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if b"worker.py" in path.read_bytes():
                yield path.parent.name
        except OSError:
            continue


def children_of(pid):
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return None
