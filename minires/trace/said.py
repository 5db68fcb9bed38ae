"""What a trace says, in English or Chinese: the English stands in the code, chinese.txt of a package has both."""

import re
import textwrap
import unicodedata
from functools import cache
from importlib.resources import files

from ..errors import RangeError

LANGUAGES = ("en", "zh")
PIECES = re.compile(r"\s+|[!-~]+[，。：；、）”]*|[“（]*[^\s!-~][，。：；、）”]*")  # between them a line may break


def require_language(language):
    if language not in LANGUAGES:
        raise RangeError(f"language is {language!r}, expected one of {', '.join(LANGUAGES)}")


@cache
def pairs(package=__package__):
    """{text as it stands in the code: the same in Chinese}, of the chinese.txt of a package."""
    lines = files(package).joinpath("chinese.txt").read_text(encoding="utf-8").splitlines()
    english = [line[2:] for line in lines if line.startswith("- ")]
    return dict(zip(english, (line[2:] for line in lines if line.startswith("+ ")), strict=True))


def said(language, english, **values):
    """The text ``english`` in ``language``, with its {places} filled; what has no translation stays."""
    text = pairs().get(english, english) if language == "zh" else english
    return text.format(**values) if values else text


def fill(text, width, **indents):
    """:func:`textwrap.fill`, but a Chinese character takes two columns, and a line may end behind it.

    indents: initial_indent, subsequent_indent
    """
    if columns(text) == len(text):
        return textwrap.fill(text, width, **indents)
    lines, later = [indents.get("initial_indent", "")], indents.get("subsequent_indent", "")
    for piece in PIECES.findall(text):
        if columns(lines[-1] + piece.rstrip()) > width:
            lines[-1] = lines[-1].rstrip()
            lines.append(later)
        lines[-1] += piece if lines[-1].strip() else piece.lstrip()
    return "\n".join(lines)


def padded(text, width):
    """``text`` with blanks up to ``width`` columns."""
    return text + " " * (width - columns(text))


def columns(text):
    """How many columns of a terminal ``text`` takes."""
    return len(text) + sum(unicodedata.east_asian_width(one) in "WF" for one in text)
