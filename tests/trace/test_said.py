"""Reports and step-through in Chinese: no text is missing or stale, no line too wide, the numbers are the same."""

import ast
import io
import re
import string
from pathlib import Path

import numpy as np
import pytest

from minires import cli, models
from minires.errors import RangeError
from minires.trace import Stepper, audit, said, trace
from minires.trace.audit import WHERE, WHY
from minires.trace.events import PLACES
from minires.trace.first import first_in_words
from minires.trace.said import columns, fill, padded, pairs
from minires.trace.screen import WIDTH
from minires.trace.shell import HELP, NOWHERE, run_shell
from minires.trace.words import as_audit

TABLES = {*WHY.values(), *WHERE.values(), *PLACES.values(), *NOWHERE.values(), "forward", "loss", "backward"}
DOCUMENTED = re.compile(r"^  \S.*$", re.MULTILINE)  # what a class says about itself stays


def constants(node):
    return {one.value for one in ast.walk(node) if isinstance(one, ast.Constant) and isinstance(one.value, str)}


def spoken():
    """The texts that the code gives to ``said``: as constants, or by a name that the same function sets."""
    found = set()
    for path in Path(said.__file__).parent.glob("*.py"):
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(function, ast.FunctionDef):
                continue
            sets = {}
            for node in ast.walk(function):
                if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                    sets.setdefault(node.targets[0].id, set()).update(constants(node.value))
            for node in ast.walk(function):
                if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "said":
                    text = node.args[1]
                    found |= constants(text) if isinstance(text, (ast.Constant, ast.IfExp)) else set()
                    named = [one.id for one in ast.walk(text) if isinstance(one, ast.Name)]
                    found |= {value for name in named for value in sets.get(name, ()) if " " in value}
    return found


SPOKEN = spoken() | TABLES


def fields(text):
    return sorted(name for _, name, _, _ in string.Formatter().parse(text) if name is not None)


@pytest.mark.parametrize("english", pairs())
def test_the_english_is_still_said(english):
    assert english in SPOKEN or english in HELP.split("\n"), "stale: mend chinese.txt"


@pytest.mark.parametrize("english", sorted(SPOKEN))
def test_each_text_has_its_chinese(english):
    assert len(SPOKEN) > 70
    assert english in pairs(), "missing in chinese.txt"
    assert fields(english) == fields(pairs()[english])
    assert (
        re.search("[\u4e00-\u9fff]", pairs()[english])
        or english in ("{path} ({kind}), {where}:",)
        or "{phase}" in english
    )


def test_the_help_names_the_same_commands():
    for line in HELP.split("\n"):
        other = said.said("zh", line)
        assert line[:11] == other[:11] or not line[0].islower() or line[1:3] != "  "
        assert columns(other) <= WIDTH


@pytest.fixture(scope="module", params=["digits_resnet8", "digits_plain8"])
def ledger(request):
    x = np.random.default_rng(0).standard_normal((2, 1, 8, 8)).astype(np.float32)
    return trace(models.build(request.param, rng=0), x, np.array([1, 2]))


def numbers(text):
    return sorted(re.findall(r"\d+\.\d+|\b\d+%", text))


def test_reports_have_the_same_numbers_and_no_english_sentence(ledger):
    for make in (
        lambda language: as_audit(audit(ledger), 100, language),
        lambda language: ledger.table(width=100, language=language).split("\n", 1)[1],
        lambda language: first_in_words(ledger, (), language),
    ):
        english, chinese = make("en"), make("zh")
        assert numbers(english) == numbers(chinese) and english != chinese
        assert not re.findall(r"(?<![\w.$-])[A-Za-z]+(?: [a-z]+,?){3,}", chinese)
        assert max(map(columns, chinese.split("\n"))) <= 100


def session(language, *lines):
    model = models.build("digits_resnet8", rng=0)
    x = np.random.default_rng(0).standard_normal((2, 1, 8, 8)).astype(np.float32)
    output = io.StringIO()
    run_shell(
        Stepper(model, x, np.array([1, 2])), io.StringIO("".join(f"{line}\n" for line in lines)), output, language
    )
    return output.getvalue()


def test_a_session_in_chinese():
    lines = ["b", *["s", "w", "l"] * 60, "u nonfinite", "o", "g 0", "g 0", "p x", "g 126", "s"]
    english, chinese = session("en", *lines), session("zh", *lines)
    assert numbers(english) == numbers(chinese)
    left = re.findall(r"(?<![\w.$-])[A-Za-z]+(?: [a-z]+,?){3,}", DOCUMENTED.sub("", chinese))
    assert left == [], "words that are not Chinese"
    assert max(map(columns, chinese.split("\n"))) <= max(WIDTH, *map(len, english.split("\n")))
    assert "第   0 站，共 126 站  -> 前向：进入 整个模型 (Sequential)" in chinese and "这是第一站" in chinese


@pytest.mark.parametrize("how", ["option", "environment"])
def test_the_command_speaks_it(monkeypatch, capsys, how):
    words = ["step", "--model", "digits_resnet8", "--data", "digits", "--batch-size", "2"]
    monkeypatch.setattr("sys.stdin", io.StringIO("q\n"))
    if how == "environment":
        monkeypatch.setenv("MINIRES_LANG", "zh")
    assert not cli.main([*words, *(["--lang", "zh"] if how == "option" else [])])
    assert "h 显示帮助" in capsys.readouterr().out


def test_lines_break_between_chinese_characters_and_not_before_a_comma():
    text = "从最后一块到第一块，单靠捷径能带来 |g_L| 的 0.3105，分布在 2.8% 的位置上。"
    for width in range(12, 60):
        lines = fill(text, width, initial_indent="  ", subsequent_indent="  ").split("\n")
        assert all(columns(line) <= width + 2 and line.startswith("  ") and line[2] not in "，。 " for line in lines)
        assert "".join(line.strip() for line in lines).replace(" ", "") == text.replace(" ", "")
    assert fill("plain words " * 20, 40) == said.textwrap.fill("plain words " * 20, 40)
    assert columns(padded("整个", 10)) == columns(padded("model", 10)) == 10


def test_another_language_is_refused():
    with pytest.raises(RangeError, match="language is 'de', expected one of en, zh"):
        said.require_language("de")
