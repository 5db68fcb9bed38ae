"""Grading: points, misconceptions and reports of a small class, in a box and out of it."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time

import pytest
from classroom.box.boxes import boxes
from classroom.submissions import FOLDER

from minires.classroom import Secret, assignment, frequencies, grade, graded, to_csv, to_html
from minires.classroom.box import TRUST, BoxError, Tier
from minires.classroom.grade import seed_of, table
from minires.errors import DataFileError, RangeError

CLASS = {
    "ada": assignment("linear").solution(),
    "bob": (FOLDER / "linear/given_bias_axis.py").read_text(),
    "eve": "def linear_forward(x, weight, bias): return x @ weight.T + bias, (x, weight)",
    "fay": "def linear_forward(x) return x",
    "gil": "import os\nos._exit(0)",
    "=hal": "def linear_forward(x, *w): raise ValueError('<b>\\x1b[31m')\n\n\ndef linear_backward(dy, cache): 0",
}


@pytest.fixture
def handed_in(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for name, text in CLASS.items():
        (folder / f"{name}.py").write_text(text)
    return folder


def run(handed_in, out, tier=TRUST, **more):
    return grade("linear", handed_in, out, tier=tier, secret=Secret("s"), **more)


@pytest.mark.parametrize("tier", [*boxes(), pytest.param(lambda: TRUST, id="trust")])
def test_a_class(handed_in, tmp_path, tier):
    seen = []
    found = run(handed_in, tmp_path / "out", tier(), progress=lambda *at: seen.append(at))
    grades = {each.student: each for each in found}
    assert {name: each.total for name, each in grades.items()} == {
        "ada": 8, "bob": 6, "eve": 2, "fay": 0, "gil": 0, "=hal": 0
    }  # fmt: skip
    assert grades["bob"].names == ["Linear.BiasOverWrongAxis"]
    assert grades["bob"].points["linear dbias"] == 0
    assert "Not there: linear_backward." in (tmp_path / "out/feedback/eve.txt").read_text()
    assert "line 1" in grades["fay"].problem and "ends its process" in grades["gil"].problem
    assert sorted(at[0] for at in seen) == [1, 2, 3, 4, 5, 6]
    assert graded(tmp_path / "out") == found
    rows = list(csv.DictReader(io.StringIO((tmp_path / "out/scores.csv").read_text())))
    assert [row["student"] for row in rows] == ["'=hal", "ada", "bob", "eve", "fay", "gil"]
    assert "linear: 6 of 8 points\n\nlinear\nRight: y, " in (tmp_path / "out/feedback/bob.txt").read_text()
    assert "\x1b" not in "".join(path.read_text() for path in (tmp_path / "out/feedback").iterdir())


def test_what_was_graded_is_kept_unless_something_changed(handed_in, tmp_path):
    out = tmp_path / "out"
    before = run(handed_in, out)
    files = {path: path.stat().st_mtime_ns for path in (out / "results").iterdir()}
    (handed_in / "bob.py").write_text(CLASS["ada"])
    after = run(handed_in, out)
    changed = [path.stem for path, at in files.items() if path.stat().st_mtime_ns != at]
    assert changed == ["bob"]
    assert [each for each in after if each.student != "bob"] == [each for each in before if each.student != "bob"]
    assert grade("linear", handed_in, out, tier=TRUST, secret=Secret("t"))[0].seed != before[0].seed


def test_in_another_language_the_feedback_is_written_anew(handed_in, tmp_path):
    before = run(handed_in, tmp_path / "out")
    after = run(handed_in, tmp_path / "out", language="zh")
    assert [each.points for each in after] == [each.points for each in before]
    for name, (english, chinese) in {
        "bob": ("6 of 8 points", "6 分（满分 8）"),
        "gil": ("could not be run", "无法运行"),
    }.items():
        text = (tmp_path / f"out/feedback/{name}.txt").read_text(encoding="utf-8")
        assert chinese in text and english not in text


def test_grading_again_gives_the_same_bytes(handed_in, tmp_path):
    for out in ("a", "b"):
        run(handed_in, tmp_path / out, jobs=3)
    for path in (tmp_path / "a").rglob("*.*"):
        assert path.read_bytes() == (tmp_path / "b" / path.relative_to(tmp_path / "a")).read_bytes()


def test_every_student_has_numbers_of_their_own():
    seeds = {seed_of(Secret("secret"), f"student {i}", "linear") for i in range(300)}
    assert len(seeds) == 300
    assert seed_of(Secret("secret"), "a", "linear") != seed_of(Secret("other"), "a", "linear")


def test_a_box_that_does_not_start_changes_no_score(handed_in, tmp_path):
    out = tmp_path / "out"
    run(handed_in, out)
    before = {path: path.read_bytes() for path in out.rglob("*.*")}
    for path in handed_in.iterdir():
        path.write_text(path.read_text() + "\n# changed")
    with pytest.raises(BoxError, match="does not start"):
        run(handed_in, out, Tier("broken", lambda *pipes: ["/nowhere"]))
    assert {path: path.read_bytes() for path in out.rglob("*.*")} == before


def test_a_grader_that_is_killed_goes_on(handed_in, tmp_path):
    code = (
        "import sys\nfrom minires.classroom import Secret, grade\nfrom minires.classroom.box import TRUST\n"
        "grade('linear', sys.argv[1], sys.argv[2], tier=TRUST, secret=Secret('s'), jobs=1)"
    )
    for number in range(20):
        (handed_in / f"more{number}.py").write_text(CLASS["ada"])
    for _ in range(3):
        killed = subprocess.Popen([sys.executable, "-c", code, handed_in, tmp_path / "out"])
        time.sleep(1.2)
        os.kill(killed.pid, signal.SIGKILL)
        killed.wait()
    resumed = run(handed_in, tmp_path / "out")
    assert resumed == run(handed_in, tmp_path / "whole")
    assert table(resumed) == (tmp_path / "whole/scores.csv").read_text()


def test_a_report_counts_what_was_planted(handed_in, tmp_path):
    for number in range(5):
        (handed_in / f"bob{number}.py").write_text(CLASS["bob"])
    grades = run(handed_in, tmp_path / "out")
    assert frequencies(grades) == [("Linear.BiasOverWrongAxis", 6)]
    rows = list(csv.reader(io.StringIO(to_csv(grades, "zh"))))
    assert rows[1][:2] == ["Linear.BiasOverWrongAxis", "6"] and "偏置" in rows[1][2]
    page = to_html(grades)
    assert "Linear.BiasOverWrongAxis" in page and "11 students" in page
    assert "ada" not in page and "ada" in to_html(grades, names=True)
    assert "=hal" in to_html(grades, names=True)


def test_folders_that_are_none(tmp_path):
    with pytest.raises(RangeError, match="is no folder, expected one with a file or folder for each student"):
        run(tmp_path / "nowhere", tmp_path / "out")
    with pytest.raises(RangeError, match="there is no submission in"):
        run(tmp_path, tmp_path / "out")
    (tmp_path / "ada.py").write_text("")
    (tmp_path / "ada.zip").write_bytes(b"")
    with pytest.raises(RangeError, match="has two submissions of ada: leave one"):
        run(tmp_path, tmp_path / "out")


def test_results_that_are_none(handed_in, tmp_path):
    run(handed_in, tmp_path / "out")
    (tmp_path / "out/results/ada.json").write_text(json.dumps({"student": "ada"}))
    with pytest.raises(DataFileError, match="ada.json holds no grade: .*remove it, and grade again"):
        graded(tmp_path / "out")
