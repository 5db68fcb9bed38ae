"""Every misconception has a Chinese sentence, of the English one that is there now."""

import re

import pytest

from minires.errors import RangeError
from minires.mutants import MUTANTS, SILENT
from minires.mutants.language import chinese, mark, sentence

ALL = (*MUTANTS, *SILENT)


def test_none_is_missing_and_none_is_left_over():
    assert sorted(chinese()) == sorted(mutant.name for mutant in ALL)


@pytest.mark.parametrize("mutant", ALL, ids=lambda mutant: mutant.name)
def test_none_is_stale(mutant):
    found, text = chinese()[mutant.name]
    assert found == mark(mutant.misconception), "the English sentence has changed: translate it, and mark it so"
    assert sentence(mutant) == mutant.misconception and sentence(mutant, "zh") == text
    assert text.endswith("。") and re.search("[\u4e00-\u9fff]", text) and len(text) < 90
    assert not re.search("[,;:!?]$|[\u4e00-\u9fff][,;:]", text), "Chinese marks between Chinese words"


def test_a_changed_sentence_has_another_mark():
    assert mark("dx is divided by N.") != mark("dx is divided by M.")


def test_sentences_are_of_their_own():
    assert len({text for _, text in chinese().values()}) == len(ALL)


def test_another_language_is_refused():
    with pytest.raises(RangeError, match="language is 'de', expected one of en, zh"):
        sentence(MUTANTS[0], "de")
