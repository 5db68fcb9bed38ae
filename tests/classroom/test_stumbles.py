"""What a student stumbled over: the cause comes first, an error is said once, what is exchanged in one sentence."""

import re
import textwrap

import numpy as np
import pytest

from minires.classroom import assignment, feedback, measure
from minires.classroom.feedback import BY_NAME, command
from minires.classroom.handout import contents

LINEAR_FORWARD = """
    def linear_forward(x, weight, bias):
        return x @ weight.T + bias, (x, weight)
    def linear_backward(dy, cache):
        x, weight = cache
"""
TWO_WAYS = """
    def residual_forward(x, branch, shortcut, train):
        (f, b), (h, s) = branch.forward(x, train), shortcut.forward(x, train)
        return f + h, (b, s)
    def residual_backward(dy, cache, branch, shortcut):
        b, s = cache
        return {}
    def residual_terms(dy, cache, branch, shortcut):
        b, s = cache
        return {}, {}
"""


def written(source):
    functions = {}
    exec(textwrap.dedent(source), functions)
    return functions


@pytest.mark.parametrize(
    "last",
    ["dy /= len(dy)\n        return dy @ weight, dy.T @ x, dy.sum(axis=0)",
     "r = dy @ weight, dy.T @ x, (dy.T @ x)[:, 0]\n        dy /= len(dy)\n        return r"],
)  # fmt: skip
def test_a_dy_that_is_changed_comes_first_with_the_entry_that_is(last):
    functions = written(f"{LINEAR_FORWARD}        {last}\n")
    for language, first, entry in (
        ("en", "Your functions change dy, which belongs to the caller.", "dy[0, 0] was 3 before, and is 1.5 after"),
        ("zh", "你的函数改动了 dy，它属于调用者。", "dy[0, 0] 之前是 3，之后是 1.5。"),
    ):
        found = feedback("linear", functions, language)
        assert found.sentences[0] == first and len(found.sentences) > 1
        assert found.failing.changed == ("dy", (0, 0), 3.0, 1.5) and entry in str(found)
        assert "measure(" not in str(found)


def test_errors_on_some_inputs_are_said_beside_the_idea_once_a_function():
    found = feedback(
        "residual", written(TWO_WAYS.format("dy + branch.backward(dy, b)", "dy", "branch.backward(dy, b)"))
    )
    idea, error = found.sentences
    assert idea == BY_NAME["Residual.ProjectionIgnored"].misconception and found.findings == ()
    assert re.fullmatch(
        r"On 2 of 10 inputs residual_backward raises ValueError: operands .* \(line 7\): all its outputs count as "
        "wrong there.",
        error,
    )
    (error,) = found.raises
    assert error.kind == "raises" and error.output == "residual_backward"


def test_an_error_is_said_once_in_one_line_with_its_advice_at_the_end():
    along = "shortcut.backward(dy, b)", "branch.backward(dy, s)"
    found = feedback("residual", written(TWO_WAYS.format(" + ".join(along), *along)))
    assert found.sentences == (
        "Your code raises ShapeError: Identity got a cache that is not its own: give each layer's backward the cache "
        "of its own forward (lines 7, 10).",
    )
    assert str(found).count("Identity") == 1 and "Here your code raises this error." in str(found)
    assert "no array of floats" not in str(found)
    chinese = feedback("residual", written(TWO_WAYS.format(" + ".join(along), *along)), "zh")
    assert "Identity 得到的缓存不是它自己的：" in str(chinese)

    def forward(x, weight, bias):
        raise ValueError(f"it is {np.zeros(999)}\n: take another")

    (error,) = feedback("linear", {"linear_forward": forward, "linear_backward": forward}).sentences
    assert "\n" not in error and len(error) < 240 and re.search(r"take another \(line \d+\)\.$", error)


@pytest.mark.parametrize(("language", "words"), [
    ("en", "In the place of dbias stands dweight, and in that of dweight dbias: "
           "return dx, dweight, dbias in this order."),
    ("zh", "dbias 的位置上是 dweight，dweight 的位置上是 dbias：请按 dx, dweight, dbias 的顺序返回。"),
])  # fmt: skip
def test_two_outputs_that_are_exchanged_are_one_sentence_with_the_order(language, words):
    functions = written(f"{LINEAR_FORWARD}        return dy @ weight, dy.sum(axis=0), dy.T @ x\n")
    assert feedback("linear", functions, language).sentences == (words,)


def test_prose_is_wrapped_for_a_terminal_and_commands_are_not():
    functions = written(f"{LINEAR_FORWARD}        return dy @ weight, dy.sum(axis=0), dy.T @ x\n")
    found = feedback("linear", functions)
    lines = found.to_text(60).splitlines()
    assert all(len(line) <= 60 for line in lines) and " ".join(map(str.strip, lines)).split() == str(found).split()
    assert (
        "  * In the place of dbias stands dweight, and in that of" in lines
        and "    dweight dbias: return dx," in str(lines)
    )
    assert any("`minires tutorials --to tutorials`" in line for line in lines)
    wrong = feedback("linear", functions | {"linear_backward": lambda dy, c: (2 * dy @ c[1], dy.T @ c[0], dy.sum(0))})
    assert command("linear", wrong.failing) in wrong.to_text(40)


def test_the_handout_says_the_limits_as_numbers_and_the_command_measures_in_plain_words(capsys):
    english, chinese = (contents(assignment("linear"), language)["README.md"] for language in ("en", "zh"))
    assert "5 s of computing time, all of them together 60 s; on the clock at most\n20 s and 240 s." in english
    assert "分别为 20 秒和 240 秒。" in chinese
    assert "dy already holds any 1/N of the loss." in english
    measure("linear", 0, "dx", (0, 0))
    assert capsys.readouterr().out.endswith("(measured: the derivative of minires's own forward at this entry)\n")
