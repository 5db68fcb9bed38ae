"""The page in Chinese: every text of the table is still there in English, and hardly a word of English is left."""

import re

import numpy as np
import pytest

from minires import models
from minires.errors import RangeError
from minires.trace import audit, trace
from minires.trace.said import pairs as reasons
from minires.trace.viewer import page
from minires.trace.viewer.chinese import document_in, pattern, script_in

ENGLISH = page.module()
PAIRS = reasons("minires.trace.viewer")
CHINESE = page.module("zh")


@pytest.fixture(scope="module")
def ledger():
    x = np.random.default_rng(0).standard_normal((2, 1, 8, 8)).astype(np.float32)
    return trace(models.build("digits_resnet8", rng=0), x, np.array([1, 2]))


@pytest.mark.parametrize("english", PAIRS)
def test_the_english_is_still_said(english):
    assert pattern(english).search(ENGLISH), "stale: mend chinese.txt"


@pytest.mark.parametrize("english", PAIRS)
def test_both_languages_have_the_same_values(english):
    inner = r"\$\{(?:num|svgNum|sub|listed)\((?:[^{}]|\{[^{}]*\})*?\)\}"
    assert sorted(re.findall(inner, english)) == sorted(re.findall(inner, PAIRS[english]))


def sentences(script):
    """Four words and more in a row, in strings and markup."""
    code = re.sub(r"//.*|/\*.*\*/|<code>.*?</code>", "", script)
    texts = "\n".join(re.findall(r"[`>\"]([^`\"<>]*)[`<\"]", code))
    return re.findall(r"(?<![\w.$-])[A-Za-z]+(?: [a-z]+,?){3,}", texts)


def test_no_sentence_is_left_in_english():
    assert sentences(CHINESE) == []
    assert len(sentences(ENGLISH)) > 30, "they would be seen"


def test_the_page_speaks_chinese_and_shows_the_same_numbers(ledger):
    english, chinese = ledger.to_html(), ledger.to_html("zh")
    assert 'lang="zh"' in chinese and "残差块" in chinese and 'lang="en"' in english
    keys = r'"data-key"|blocks\.\$\{l\}|output_gradient_norm'
    assert sorted(re.findall(keys, english)) == sorted(re.findall(keys, chinese))


def test_reasons_are_those_of_the_audit(ledger):
    document = {"blocks": [{"breaks": [{"why": b.why, "where": b.where}]} for row in audit(ledger).breaks for b in row]}
    said = document_in(document, "zh")
    for before, after in zip(document["blocks"], said["blocks"], strict=True):
        assert after["breaks"][0]["why"] == reasons()[before["breaks"][0]["why"]]
    assert document_in(document, "en") is document


def test_another_language_is_refused(ledger):
    with pytest.raises(RangeError, match="language is 'de', expected one of en, zh"):
        ledger.to_html("de")
    assert script_in("x", "en") == "x"
