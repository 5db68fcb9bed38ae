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

from minires.classroom import Secret, assignment, frequencies, grade, graded, new, to_csv, to_html, unnamed
from minires.classroom.box import TRUST, BoxError, Tier
from minires.classroom.grade import seed_of
from minires.classroom.results import table
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


@pytest.fixture
def demo(tmp_path):
    new("demo", tmp_path)
    (tmp_path / "in").mkdir()
    (tmp_path / "in/ada.py").write_text((tmp_path / "demo/solution.py").read_text())
    return tmp_path / "demo"


def of_demo(demo):
    (found,) = grade(str(demo), demo.parent / "in", demo.parent / "out", tier=TRUST, secret=Secret("s"))
    return found, (demo.parent / "out/results/ada.json").stat().st_mtime_ns


@pytest.mark.parametrize(
    ("file", "old", "by", "total"),
    [
        ("assignment.toml", "points = 10", "points = 20", 20),
        ("solution.py", "gain * x + offset\n", "gain * x + 2 * offset\n", 5),
        ("given/data.txt", "", "more", 10),
    ],
)
def test_where_the_assignment_has_changed_it_is_graded_again(demo, file, old, by, total):
    _, at = of_demo(demo)
    assert of_demo(demo)[1] == at
    (demo / file).parent.mkdir(exist_ok=True)
    text = (demo / file).read_text() if old else ""
    (demo / file).write_text(text.replace(old, by) if old else by)
    if file == "solution.py":
        text = (demo / file).read_text()
        (demo / file).write_text(text.replace("dy.sum(axis=0)", "2 * dy.sum(axis=0)"))
    found, later = of_demo(demo)
    assert found.total == total and later != at and of_demo(demo)[1] == later


def test_a_word_in_a_statement_changes_no_grade(demo):
    _, at = of_demo(demo)
    (demo / "statement.md").write_text("other words")
    assert of_demo(demo)[1] == at


def test_a_result_from_before_there_was_a_digest_is_graded_again(demo):
    found, _ = of_demo(demo)
    path = demo.parent / "out/results/ada.json"
    old = {name: value for name, value in json.loads(path.read_text()).items() if name not in ("rules", "findings")}
    path.write_text(json.dumps(old | {"total": 3.0}))
    assert graded(demo.parent / "out")[0].total == 3
    assert of_demo(demo)[0] == found and found.rules


def test_a_result_stays_when_its_submission_is_gone(handed_in, tmp_path):
    before = run(handed_in, tmp_path / "out")
    (handed_in / "bob.py").unlink()
    (handed_in / "ada.py").write_text(CLASS["eve"])
    after = run(handed_in, tmp_path / "out")
    assert [each.student for each in after] == [each.student for each in before] and after == graded(tmp_path / "out")
    assert (tmp_path / "out/scores.csv").read_text() == table(after)
    assert [each.total for each in after if each.student in ("ada", "bob")] == [2, 6]


def test_students_come_in_natural_order(handed_in, tmp_path):
    for path in handed_in.iterdir():
        path.unlink()
    for name in ("s_10", "s_2", "s_1b", "10", "9", "s_02", "s"):
        (handed_in / f"{name}.py").write_text("")
    found = [each.student for each in run(handed_in, tmp_path / "out")]
    assert found == ["9", "10", "s", "s_1b", "s_02", "s_2", "s_10"]
    assert [each.student for each in graded(tmp_path / "out")] == found
    rows = list(csv.DictReader(io.StringIO((tmp_path / "out/scores.csv").read_text())))
    assert [row["student"] for row in rows] == found
    page = to_html(graded(tmp_path / "out"), names=True)
    assert page.index("<td>s_2<") < page.index("<td>s_10<")


def test_grades_of_another_assignment_are_not_mixed_in(handed_in, tmp_path):
    run(handed_in, tmp_path / "out")
    before = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*.*")}
    with pytest.raises(RangeError, match="out has the grades of linear: grade into another --out"):
        grade("batchnorm", handed_in, tmp_path / "out", tier=TRUST, secret=Secret("s"))
    assert {path: path.read_bytes() for path in (tmp_path / "out").rglob("*.*")} == before


@pytest.mark.parametrize(
    ("language", "title", "points", "problem"),
    [
        (
            "en",
            "A layer is a pair of functions",
            "linear: 0 of 8 points",
            "Your submission could not be run: linear.py, line 1: ",
        ),
        ("zh", "一个层就是一对函数", "linear：0 分（满分 8）", "你的提交无法运行：linear.py 第 1 行："),
    ],
)
def test_a_page_of_feedback_says_whose_it_is_and_of_what(handed_in, tmp_path, language, title, points, problem):
    run(handed_in, tmp_path / "out", language=language)
    text = (tmp_path / "out/feedback/fay.txt").read_text(encoding="utf-8")
    page = (tmp_path / "out/feedback/fay.html").read_text(encoding="utf-8")
    assert assignment("linear").called(language) == title
    assert text.startswith(f"{title}\nfay\n{points}\n\n{problem}") and "SyntaxError" not in text
    assert text.count("line") == (3 if language == "en" else 2)  # linear, linear.py, line 1
    for part in (f"<title>{title}</title>", f"<h1>{title}</h1>", "<p>fay</p>", f"<p>{points}</p>", f"<p>{problem}"):
        assert part in page


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", "Nothing was handed in: linear.py is expected (or a notebook)."),
        ("zh", "没有收到提交：应提交 linear.py（或 notebook）。"),
    ],
)
def test_who_hands_in_nothing_is_told_so(handed_in, tmp_path, language, words):
    (handed_in / "ida").mkdir()
    run(handed_in, tmp_path / "out", language=language)
    assert (tmp_path / "out/feedback/ida.txt").read_text(encoding="utf-8").endswith(f"\n\n{words}\n")
    assert f"<p>{words}</p>" in (tmp_path / "out/feedback/ida.html").read_text(encoding="utf-8")


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


NAMELESS = """
def linear_forward(x, weight, bias):
    if len(x) in RAISES: raise TypeError("knows ada")
    return x @ weight.T + bias, (x, weight)
def linear_backward(dy, cache):
    x, weight = cache
    return dy @ weight, dy.T @ x, FACTOR * dy.sum(axis=0)
"""


def test_a_report_counts_what_has_no_name_by_its_sentence(handed_in, tmp_path):
    for number in range(3):
        (handed_in / f"joe{number}.py").write_text(NAMELESS.replace("FACTOR", "0.3").replace("RAISES", "()"))
    (handed_in / "kim.py").write_text(NAMELESS.replace("FACTOR", "'ada'").replace("RAISES", "()"))
    (handed_in / "lea.py").write_text(NAMELESS.replace("FACTOR", "1").replace("RAISES", "(6,)"))
    grades = run(handed_in, tmp_path / "out")
    assert graded(tmp_path / "out") == grades
    for language, words in (("en", "dbias is off by one factor on all inputs: it is 0.3 times"), ("zh", "0.3 倍")):
        found = unnamed(grades, language)
        assert [count for (where, text), count in found if where == "linear" and words in text] == [3]
        rows = list(csv.reader(io.StringIO(to_csv(grades, language))))
        assert [row[:2] for row in rows if words in row[2]] == [["", "3"]] and {len(row) for row in rows} == {3}
        page = to_html(grades, language)
        assert page.count(words) == 1 and '<progress max="11" value="3">' in page
        assert "ada" not in page and "joe" not in page and "knows" not in page
    texts = {text for (_, text), _ in unnamed(grades)}
    assert "Not there: linear_backward. Define each function under the name that the statement gives it." in texts
    assert {"Your code raises ValueError.", "Your code raises TypeError."} <= texts  # not the text of a student
    assert frequencies(grades) == [("Linear.BiasOverWrongAxis", 1)]


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
