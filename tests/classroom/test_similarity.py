"""What compare50 is given, and what becomes of its pages; itself where it is installed."""

import json
import os
import shutil
import sys

import pytest

from minires import cli
from minires.classroom import assignment, similarity
from minires.errors import DataFileError, RangeError

LINEAR = assignment("linear")
# In the place of compare50: it notes what it gets, and makes a page
STAND_IN = f"""#!{sys.executable}
import json, os, sys
words = sys.argv[1:]
d, a, o = (words[words.index(name) + 1] for name in ("-d", "-a", "-o"))
files = lambda top: sorted(os.path.relpath(os.path.join(at, f), top) for at, _, fs in os.walk(top) for f in fs)
seen = {{"submissions": {{w: files(w) for w in words[: words.index("-d")]}}, "archive": files(a)}}
seen["distribution"] = open(os.path.join(d, "linear.py")).read()
seen["path"] = os.environ["PATH"].split(os.pathsep)[0]
os.mkdir(o)
json.dump(seen, open(os.path.join(o, "index.html"), "w"))
"""


@pytest.fixture
def handed_in(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("ada", "bob"):
        (folder / f"{name}.py").write_text(LINEAR.solution())
    (folder / "eve.py").write_bytes(b"\xff")  # no text
    return folder


def install(tmp_path, monkeypatch, text):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/compare50").write_text(text)
    os.chmod(tmp_path / "bin/compare50", 0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))


def test_it_gets_the_submissions_the_skeleton_and_the_source_of_minires(handed_in, tmp_path, monkeypatch):
    install(tmp_path, monkeypatch, STAND_IN)
    seen = json.loads(similarity(LINEAR, handed_in, tmp_path).read_text())
    assert [(os.path.basename(path), files) for path, files in seen["submissions"].items()] == [
        ("ada", ["linear.py"]),
        ("bob", ["linear.py"]),
    ]
    assert {"linear.py", "layers/linear.py", "layers/norm.py", "losses.py"} <= set(seen["archive"])
    assert "raise NotImplementedError" in seen["distribution"] and "weight.T" not in seen["distribution"]
    assert seen["path"] == str(tmp_path / "bin")
    with pytest.raises(RangeError, match="similarity is there: remove it, and compare again"):
        similarity(LINEAR, handed_in, tmp_path)


def test_where_it_fails_its_last_words_are_said(handed_in, tmp_path, monkeypatch):
    install(tmp_path, monkeypatch, "#!/bin/sh\necho something >&2; echo no luck >&2; exit 4\n")
    with pytest.raises(DataFileError, match="compare50 ended with 4 and made no pages: no luck"):
        similarity(LINEAR, handed_in, tmp_path)


def test_one_submission_is_like_no_other(handed_in, tmp_path):
    (handed_in / "bob.py").unlink()
    with pytest.raises(RangeError, match="has 1 submissions that can be read, expected two or more"):
        similarity(LINEAR, handed_in, tmp_path)


def test_the_command_says_in_a_sentence_that_it_is_not_installed(handed_in, tmp_path, monkeypatch, capsys):
    out = str(tmp_path / "out")
    assert cli.main(["assign", "grade", "linear", str(handed_in), "--out", out, "--trust-submissions"]) == 0
    install(tmp_path, monkeypatch, "")
    os.chmod(tmp_path / "bin/compare50", 0o644)
    assert cli.main(["assign", "report", out, "--similarity", str(handed_in)]) == 0
    found = capsys.readouterr()
    assert "compare50, which is not installed: pip install compare50" in found.err and "report.html" in found.out
    os.chmod(tmp_path / "bin/compare50", 0o755)
    (tmp_path / "bin/compare50").write_text(STAND_IN)
    assert cli.main(["assign", "report", out, "--similarity", str(handed_in)]) == 0
    assert "similarity/index.html" in capsys.readouterr().out


def test_compare50_itself(handed_in, tmp_path):
    if shutil.which("compare50") is None:
        pytest.skip("compare50 is not installed")
    assert "bob" in similarity(LINEAR, handed_in, tmp_path).read_text()
