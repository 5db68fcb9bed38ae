"""What the README shows is what happens."""

import contextlib
import doctest
import io
import re
import shlex
from pathlib import Path

import pytest

from minires import cli

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
CHINESE = (ROOT / "README.zh.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["README.md", "README.zh.md"])
def test_code_gives_the_output_shown(name):
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    result = doctest.testfile(str(ROOT / name), module_relative=False, optionflags=flags, encoding="utf-8")
    assert result.attempted > 5
    assert result.failed == 0


def test_the_conversation_with_the_stepper_is_real(monkeypatch):
    (session,) = re.findall(r"```text\n\$ (minires step .*?)```", README, re.S)
    command, *shown = session.splitlines()
    typed = [line.removeprefix("(step) ") for line in shown if line.startswith("(step) ")]
    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(typed)))
    with contextlib.redirect_stdout(io.StringIO()) as out:
        assert cli.main(shlex.split(command)[1:]) == 0
    printed = out.getvalue()
    for line in shown:
        # means of some 1e-13 are rounding, which differs between machines
        parts = [part for part in re.split(r"\S*e-1\d\S*", line) if not part.startswith("(step)")]
        assert all(part.strip() in printed for part in parts), line


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", README + CHINESE):
        assert (ROOT / target).exists(), f"README links to {target}, which does not exist"


def test_every_make_target_exists():
    targets = re.findall(r"^(\w[\w-]*):", (ROOT / "Makefile").read_text(), re.M)
    for text in (README, CHINESE, (ROOT / "CONTRIBUTING.md").read_text(), (ROOT / ".ci/run").read_text()):
        for target in re.findall(r"\bmake (demo|test[\w-]*|lint|coverage|docs|lite|cuda-ci)\b", text):
            assert target in targets


def test_the_chinese_readme_names_commands_that_exist_and_shows_the_same_block():
    commands = set(re.findall(r"minires (\w+) ", README))
    assert set(re.findall(r"minires (\w+) ", CHINESE)) <= commands
    code = re.compile(r"^(?:>>>|\.\.\.) (.*?)\s*(?:#.*)?$", re.M)
    shown = code.findall(CHINESE)
    assert len(shown) > 10 and shown == code.findall(README)[: len(shown)]
