"""The misconceptions in other languages than English, in which they stand beside the code."""

import zlib
from functools import cache
from pathlib import Path

from ..errors import RangeError

LANGUAGES = ("en", "zh")


def sentence(mutant, language="en"):
    """The misconception of ``mutant`` in English ("en") or Chinese ("zh")."""
    if language not in LANGUAGES:
        raise RangeError(f"language is {language!r}, expected one of {', '.join(LANGUAGES)}")
    return mutant.misconception if language == "en" else chinese()[mutant.name][1]


@cache
def chinese():
    """``{name: (mark of the English sentence that was translated, sentence)}``, the lines of chinese.txt."""
    lines = Path(__file__).with_name("chinese.txt").read_text(encoding="utf-8").splitlines()
    return {name: (mark, text) for name, mark, text in (line.split(" ", 2) for line in lines)}


def mark(text):
    """Four digits that change with the English sentence, so that a translation is known to be of this one."""
    return f"{zlib.crc32(text.encode()) & 0xFFFF:04x}"
