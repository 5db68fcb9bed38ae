"""The page in Chinese: its scripts and the reasons in a document, by the pairs of chinese.txt."""

import re
from functools import cache
from importlib.resources import files

from ...errors import RangeError

LANGUAGES = ("en", "zh")


@cache
def pairs():
    """{text as it stands in the scripts or in a document: the same in Chinese}"""
    lines = files(__package__).joinpath("chinese.txt").read_text(encoding="utf-8").splitlines()
    english = [line[2:] for line in lines if line.startswith("- ")]
    return dict(zip(english, (line[2:] for line in lines if line.startswith("+ ")), strict=True))


def require_language(language):
    if language not in LANGUAGES:
        raise RangeError(f"language is {language!r}, expected one of {', '.join(LANGUAGES)}")


def script_in(script, language):
    """The text of ``script`` with its sentences in ``language``; a longer one is taken before its parts."""
    require_language(language)
    if language == "zh":
        for english in sorted(pairs(), key=len, reverse=True):
            script = pattern(english).sub(lambda _, english=english: pairs()[english], script)
    return script


def pattern(english):
    """What finds ``english`` in a script, whatever the place of its line breaks."""
    return re.compile(r"\s+".join(re.escape(word) for word in english.split()))


def document_in(document, language):
    """A document whose reasons, why the 1 is not exact, are in ``language``; what has no translation stays."""
    require_language(language)
    if language == "en":
        return document
    said = pairs()
    blocks = [
        block | {"breaks": [{key: said.get(text, text) for key, text in each.items()} for each in block["breaks"]]}
        for block in document["blocks"]
    ]
    return document | {"blocks": blocks}
