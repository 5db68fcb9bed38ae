"""What a student reads teaches, and gives nothing away."""

import functools
import inspect
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from classroom.submissions import PATHS, chosen, expected, load, title

import minires
from minires.classroom import EXERCISES, diagnose, feedback, smallest
from minires.classroom.diagnose import lab
from minires.classroom.feedback import BY_NAME, command
from minires.classroom.smallest import cases
from minires.classroom.trials import TRIALS
from minires.errors import RangeError
from minires.mutants.language import chinese

WRONG = [path for path in PATHS if expected(path)[0] != "right"]
CODE = "\n".join(inspect.getsource(m) for m in (minires.layers.norm, minires.layers.conv, minires.layers.linear))
TUTORIALS = sorted((Path(__file__).parents[2] / "tutorials").glob("[0-9]*.py"))


@functools.cache
def diagnosed(path):
    functions = load(path)
    return functions, diagnose(path.parent.name, functions)


def digits(value):
    """The first six digits of a number that has as many, not rounded."""
    text = f"{abs(value):.12g}".replace(".", "").lstrip("0")
    return text[:6] if len(text) >= 6 and np.isfinite(value) and "e" not in text else None


@pytest.mark.parametrize("path", WRONG, ids=title)
def test_holds_no_expected_number_no_source_no_path(path):
    name, (functions, diagnosis) = path.parent.name, diagnosed(path)
    found = feedback(name, functions, diagnosis=diagnosis)
    text = str(found) + found.to_html()
    squeezed = text.replace(".", "")
    failing = found.failing
    given = [*failing.x.ravel(), *failing.dy.ravel(), *(v for a in failing.arrays.values() for v in a.ravel())]
    mine = {digits(v) for v in [*given, failing.mine or 0]}
    cells = [list(cases(name))[failing.case], *lab(name).cells]
    entries = {digits(v) for cell in cells for a in cell.right.values() for v in np.asarray(a, float).ravel()[:500]}
    assert not [entry for entry in entries - mine - {None} if entry in squeezed]
    if failing.mine is not None:  # a true number of few digits
        true = cells[0].right[failing.output][failing.index]
        said = " ".join(re.sub(r"\[.*?\]", "", line) for kind, line in found.lines()[:-1] if kind == "plain")
        assert true not in [float(number) for number in re.findall(r"-?[0-9][0-9.e+-]*(?<![.])", said)]
    assert "Traceback" not in text and "File " not in text
    assert not re.search(r"/(home|root|tmp|work|usr|opt|var)\b|site-packages", text)
    assert not [line for line in CODE.splitlines() if len(line.strip()) > 30 and line.strip() in text]


@pytest.mark.parametrize("path", WRONG, ids=title)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_says_what_is_right_then_why_then_the_input_then_what_to_read(path, language):
    functions, diagnosis = diagnosed(path)
    found = feedback(path.parent.name, functions, language, diagnosis=diagnosis)
    text = str(found)
    first, *_, last = text.splitlines()
    assert (
        ("，" in first or "正确" in first) if language == "zh" else first.startswith(("Right: ", "None of the outputs"))
    )
    for name in diagnosis.names:
        sentence = BY_NAME[name].misconception if language == "en" else chinese()[name][1]
        assert f"  * {sentence}" in text
    assert len(found.sentences) == len(diagnosis.names) + len(diagnosis.findings) > 0
    for output in (*diagnosis.right, *diagnosis.wrong):
        assert output in text
    assert "x = [[" in text and ("tutorial " in last or "教程" in last)
    if found.failing.mine is not None:
        assert f"{found.failing.mine:.9g}" in text and command(path.parent.name, found.failing) in text
    assert bool(re.search("[\u4e00-\u9fff]", text)) == (language == "zh")


@pytest.mark.parametrize("path", chosen("right"), ids=title)
def test_right_is_said_in_one_line(path):
    assert str(feedback(path.parent.name, load(path))) == "All outputs are right."
    assert str(feedback(path.parent.name, load(path), "zh")) == "全部输出正确。"


def test_the_command_runs_in_a_shell_and_measures():
    path = next(path for path in WRONG if title(path) == "batchnorm/half")
    failing = smallest("batchnorm", load(path))
    line = command("batchnorm", failing).replace("python ", f"{sys.executable} ", 1)
    run = subprocess.run(line, shell=True, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    true = list(cases("batchnorm"))[failing.case].right["dx"][failing.index]
    assert f"dx{list(failing.index)} is {true:.9g}" in run.stdout


@pytest.mark.parametrize("name", [*EXERCISES, *TRIALS])
def test_what_to_read_is_there(name):
    number, heading = (EXERCISES | TRIALS)[name].read
    assert f"# ## {heading}\n" in TUTORIALS[number - 1].read_text()


class Balanced(HTMLParser):
    """Holds the tags that are open, and the names of all that were met."""

    def __init__(self):
        super().__init__()
        self.open, self.met = [], set()

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.met.add(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.mark.parametrize("language", ["en", "zh"])
def test_an_error_of_a_student_is_text_wherever_it_is_shown(language):
    def linear_forward(x, weight, bias):
        raise ValueError("<script>alert(1)</script>\x1b[2J\n\u202eat /home/teacher/secret/hidden.py, 0x7f33deadbeef")

    found = feedback("linear", {"linear_forward": linear_forward, "linear_backward": None or linear_forward}, language)
    text, page = str(found), found.to_html()
    assert "\x1b" not in text and "\u202e" not in text and "teacher" not in text and "7f33" not in text
    assert "hidden.py" in text and "ValueError" in text and "(line " in text
    parser = Balanced()
    parser.feed(page)
    assert parser.open == [] and parser.met <= {"section", "p", "ul", "li", "pre"}
    assert "&lt;script&gt;" in page and "\x1b" not in page and f'lang="{language}"' in page


def test_a_missing_function_is_said_without_an_input():
    found = feedback("relu", {})
    assert found.failing is None and "there is no function relu_forward" in str(found)


def test_another_language_is_refused():
    with pytest.raises(RangeError, match="language is 'de', expected one of en, zh"):
        feedback("relu", {}, "de")
