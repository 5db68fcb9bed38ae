"""What the commands share."""

import pytest

from minires import cli
from minires.cli.common import spoken
from minires.errors import RangeError


@pytest.mark.parametrize(
    ("given", "variable", "language"),
    [(None, None, "en"), ("zh", None, "zh"), (None, "zh", "zh"), ("en", "zh", "en"), (None, "", "en")],
)
def test_the_language_is_that_given_else_that_of_the_environment(monkeypatch, given, variable, language):
    monkeypatch.delenv("MINIRES_LANG", raising=False)
    if variable is not None:
        monkeypatch.setenv("MINIRES_LANG", variable)
    assert spoken(given) == language


def test_an_unknown_language_of_the_environment_is_refused(monkeypatch):
    monkeypatch.setenv("MINIRES_LANG", "de")
    with pytest.raises(RangeError, match="MINIRES_LANG is 'de', expected en or zh"):
        spoken(None)


@pytest.mark.parametrize("how", ["option", "environment"])
def test_trace_writes_its_page_in_chinese(monkeypatch, tmp_path, capsys, how):
    page = tmp_path / "page.html"
    words = ["trace", "--model", "digits_resnet8", "--data", "digits", "--batch-size", "2", "--html", str(page)]
    if how == "environment":
        monkeypatch.setenv("MINIRES_LANG", "zh")
    assert not cli.main([*words, *(["--lang", "zh"] if how == "option" else [])])
    assert 'lang="zh"' in page.read_text(encoding="utf-8") and "用浏览器打开" in capsys.readouterr().out
