"""What a box says of a submission that gives no answer, in the language of the student."""

import pytest

from minires.classroom import grade
from minires.classroom.box import TRUST
from minires.classroom.words import not_run, of_syntax, raises, stopped


@pytest.mark.parametrize(
    ("text", "chinese"),
    [
        ("the submission ends its process", "提交的程序结束了自己的进程"),
        ("the submission has ended its process", "提交的程序结束了自己的进程"),
        ("f takes longer than 5 s", "f 的用时超过 5 秒"),
        ("f takes longer than 0.3 s of computing time", "f 的用时超过 0.3 秒（计算时间）"),
        (
            "f takes longer than 2 s on the clock with all calls before",
            "f 的用时超过 2 秒（实际时间），连同之前的全部调用",
        ),
        ("f: the answer is not one of the worker", "f 的回答不是来自沙箱的工作进程"),
    ],
)
def test_why_there_is_no_answer(text, chinese):
    assert stopped(text, "en") == text and stopped(text, "zh") == chinese
    assert raises(text, "en") == f"There is no answer: {text}." and raises(text, "zh") == f"没有得到答案：{chinese}。"


@pytest.mark.parametrize(
    ("problem", "chinese"),
    [
        ("there are a.py, b.py, expected linear.py", "有 a.py, b.py，应为 linear.py"),
        ("ada.py is no regular file", "ada.py 不是普通文件"),
        ("ada.py has 1048577 bytes, expected at most 1048576", "ada.py 有 1048577 字节，最多 1048576 字节"),
        ("ada.py is no text: bad", "ada.py 不是文本：bad"),
        ("ada.ipynb is no notebook", "ada.ipynb 不是 notebook"),
        ("the archive cannot be read: bad", "压缩包无法读取：bad"),
        ("a cell with f: invalid syntax (line 2)", "含有 f 的单元格：invalid syntax (line 2)"),
        ("linear.py, line 3: invalid syntax", "linear.py 第 3 行：invalid syntax"),
        ("the submission ends its process", "提交的程序结束了自己的进程"),
    ],
)
def test_why_it_could_not_be_run(problem, chinese):
    assert not_run(problem, "en") == f"Your submission could not be run: {problem}."
    assert not_run(problem, "zh") == f"你的提交无法运行：{chinese}。"


@pytest.mark.parametrize("kind", ["SyntaxError", "IndentationError", "TabError"])
def test_an_error_of_syntax_is_said_of_the_students_file_once(kind):
    said = f"{kind}: expected ':' (submission.py, line 12) (line 12)"
    assert of_syntax(said, "linear.py") == "linear.py, line 12: expected ':'"
    assert of_syntax("ValueError: x (line 12)", "linear.py") == "ValueError: x (line 12)"


@pytest.mark.parametrize("text", ["ValueError: f takes longer than 5 s (line 3)", "", "linear.py is no text: x"])
def test_what_a_submission_raises_is_its_own_text(text):
    assert stopped(text, "zh") == ""
    assert text in raises(text, "zh")


def test_a_submission_that_ends_is_told_so_in_its_language(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/eve.py").write_text("import os\nos._exit(0)\n")
    (tmp_path / "in/joe.py").write_text(
        "import os\ndef linear_forward(x, weight, bias): return x @ weight.T + bias, 0\n"
        "def linear_backward(dy, cache): os._exit(0)\n"
    )
    for language, ends, answer in (
        (
            "en",
            "could not be run: the submission ends its process.",
            "There is no answer: linear_backward ends its process",
        ),
        ("zh", "你的提交无法运行：提交的程序结束了自己的进程。", "没有得到答案：linear_backward 结束了自己的进程"),
    ):
        grade("linear", tmp_path / "in", tmp_path / "out", tier=TRUST, secret="s", language=language)
        for kind in ("txt", "html"):
            assert ends in (tmp_path / f"out/feedback/eve.{kind}").read_text(encoding="utf-8")
            assert answer in (tmp_path / f"out/feedback/joe.{kind}").read_text(encoding="utf-8")
