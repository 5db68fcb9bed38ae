"""What a student reads teaches, and gives nothing away."""

import functools
import inspect
import re
import subprocess
import sys
import textwrap
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from classroom.submissions import PATHS, chosen, expected, load, title

import minires
from minires.classroom import EXERCISES, assignments, diagnose, feedback, smallest
from minires.classroom.diagnose import lab
from minires.classroom.escape import plain
from minires.classroom.feedback import BY_NAME, command
from minires.classroom.smallest import cases
from minires.classroom.task import Task
from minires.classroom.trials import TRIALS
from minires.classroom.words import TOGETHER
from minires.errors import RangeError
from minires.mutants.language import chinese

WRONG = [path for path in PATHS if expected(path)[0] != "right"]
CODE = "\n".join(inspect.getsource(m) for m in (minires.layers.norm, minires.layers.conv, minires.layers.linear))
ASKED = {part.name: part for each in assignments().values() for part in each.exercises if isinstance(part, Task)}
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
        assert f"  * {plain(sentence)}" in text and "``" not in text
    kinds = [(each.kind, each.detail) if each.kind in TOGETHER else each for each in diagnosis.findings]
    pairs = {frozenset((e.output, e.detail)) for e in diagnosis.findings if e.kind == "exchanged"}
    exchanged = sum(e.kind == "exchanged" for e in diagnosis.findings)
    said = len(set(kinds)) - exchanged + len(pairs) + len(diagnosis.raises)
    assert len(found.sentences) == len(diagnosis.names) + said > 0
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
    assert parser.open == [] and parser.met <= {"section", "p", "ul", "li", "pre", "code"}
    assert "&lt;script&gt;" in page and "\x1b" not in page and f'lang="{language}"' in page


@pytest.mark.parametrize("name", [*EXERCISES, *TRIALS, *ASKED])
def test_a_missing_function_is_said_in_one_sentence_of_one_language_without_an_input(name):
    part = (EXERCISES | TRIALS | ASKED)[name]
    english, chinese = (feedback(part, {}, language) for language in ("en", "zh"))
    functions = ", ".join(part.defines)
    first = f"Not there: {functions}. Define each function under the name that the statement gives it."
    assert (
        english.sentences[0] == first
        and chinese.sentences[0] == f"没有找到：{functions}。请按题目给出的名字定义每个函数。"
    )
    assert len(english.sentences) == len(chinese.sentences) == 1 + len(getattr(part, "files", ()))
    for found in (english, chinese):
        assert found.failing is None and found.example == () and not found.right


def test_the_rest_of_the_functions_show_their_smallest_input_without_the_missing_one():
    found = feedback("linear", {"linear_forward": lambda x, weight, bias: (x @ weight.T - bias, x)})
    assert "Not there: linear_backward. " in str(found) and "x = [[" in str(found) and "ContractError" not in str(found)
    path = next(path for path in chosen("right") if path.parent.name == "linear")
    found = feedback("linear", load(path) | {"linear_backward": None})
    assert found.right == ("y",) and found.failing is None


@pytest.mark.parametrize(("language", "text"), [("en", "dbias has the shape () where (1,) is needed."),
                                                ("zh", "dbias 的形状是 ()，应为 (1,)。")])  # fmt: skip
def test_a_wrong_shape_is_said_of_the_smallest_input_as_well(language, text):
    functions = load(next(path for path in chosen("right") if path.parent.name == "linear"))
    backward = functions["linear_backward"]
    found = feedback("linear", functions | {"linear_backward": lambda *a: (*backward(*a)[:2], a[0].sum())}, language)
    assert str(found).splitlines()[-2] == text


def test_what_has_no_name_comes_after_what_has_one():
    functions = load(next(path for path in chosen("right") if path.parent.name == "linear"))
    backward = functions["linear_backward"]

    def wrong(dy, cache):
        dx, dweight, _ = backward(dy, cache)
        return dx, dweight**2, dy.mean(axis=0)

    one, more = feedback("linear", functions | {"linear_backward": wrong}).sentences
    assert one == BY_NAME["Linear.BiasAveraged"].misconception and more.startswith("More is wrong with dweight, ")


def test_code_in_a_sentence_is_code_on_a_page_and_plain_in_a_terminal():
    path = next(path for path in WRONG if "Residual.ModeNotHandedOn" in diagnosed(path)[1].names)
    found = feedback(path.parent.name, load(path))
    assert "hand <code>train</code> on to their forwards" in found.to_html() and "``" not in found.to_html()
    assert "hand train on to their forwards" in str(found) and "``" not in str(found)


def test_another_language_is_refused():
    with pytest.raises(RangeError, match="language is 'de', expected one of en, zh"):
        feedback("relu", {}, "de")


FORGOTTEN = """
    def c(a): return a[:, None, None]
    def batchnorm_forward(x, gamma, beta, running_mean, running_var, train):
        mean, var = (x.mean((0, 2, 3)), x.var((0, 2, 3))) if train else (running_mean, running_var)
        m = x.size // len(mean)
        running_mean = 0.9 * running_mean + 0.1 * mean
        running_var = 0.9 * running_var + 0.1 * var * m / (m - 1)
        std = (var + 1e-5) ** 0.5
        x_hat = (x - c(mean)) / c(std)
        return c(gamma) * x_hat + c(beta), (x_hat, std, gamma)
    def batchnorm_backward(dy, cache):
        x_hat, std, gamma = cache
        m = dy.size // len(std)
        dgamma, dbeta = (dy * x_hat).sum((0, 2, 3)), dy.sum((0, 2, 3))
        return c(gamma / std) * (dy - c(dbeta) / m - x_hat * c(dgamma) / m), dgamma, dbeta
"""


WITH_PRODUCT = """
    def residual_forward(x, branch, shortcut, train):
        (along, a), (across, b) = branch.forward(x, train), shortcut.forward(x, train)
        return along + across + train * along * across, (a, b)
    def residual_backward(dy, cache, branch, shortcut):
        return branch.backward(dy, cache[0]) + shortcut.backward(dy, cache[1])
    def residual_terms(dy, cache, branch, shortcut):
        return shortcut.backward(dy, cache[1]), branch.backward(dy, cache[0])
"""


CHAINED_WITHOUT_MODE = """
    def residual_forward(x, branch, shortcut, train):
        (f, b), (h, s) = branch.forward(x), shortcut.forward(x)
        return f + h, (b, s)
    def residual_backward(dy, cache, branch, shortcut):
        return shortcut.backward(branch.backward(dy, cache[0]), cache[1])
    def residual_terms(dy, cache, branch, shortcut):
        return shortcut.backward(dy, cache[1]), branch.backward(dy, cache[0])
"""


def test_who_does_not_hand_the_mode_on_is_told_to():
    functions = {}
    exec(textwrap.dedent(CHAINED_WITHOUT_MODE), functions)
    for language, words in (("en", "hand train on to every layer."), ("zh", "请把 train 传给每个层。")):
        found = feedback("residual", functions, language)
        assert [sentence for sentence in found.sentences if words in sentence]
        assert "running_mean[...] =" not in str(found)


@pytest.mark.parametrize(
    ("name", "source", "names", "english", "chinese"),
    [
        (
            "batchnorm", FORGOTTEN, ("BatchNorm2d.TrainingFormulaInEvaluation",),
            "As it was before the call: running_mean, running_var. Write into",
            "与调用前相同：running_mean, running_var。",
        ),
        ("residual", WITH_PRODUCT, (), "in the other mode, and wrong in training alone: ", "只在训练模式下出错："),
    ],
)  # fmt: skip
def test_honest_mistakes_that_have_no_name_are_said_in_one_sentence(name, source, names, english, chinese):
    """A new array under an old name; a product in training alone."""
    functions = {}
    exec(textwrap.dedent(source), functions)
    for language, words in (("en", english), ("zh", chinese)):
        found = feedback(name, functions, language)
        assert found.names == names and len(found.sentences) == len(names) + 1
        assert any(words in sentence for sentence in found.sentences), found.sentences
