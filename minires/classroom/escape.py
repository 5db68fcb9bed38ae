"""What a student wrote, made harmless for a terminal, a page, and a table."""

import html
import re
import textwrap
import unicodedata

LONGEST = 300
HEAD, TAIL = 110, 80  # characters of an error that is shortened: what is wrong stands first, what to do about it last
# of the machine: two names or more with slashes between them, and addresses in memory
_PATH = re.compile(r"(?:[A-Za-z]:|~)?(?:[\\/]+[^\\/\s'\"<>|:*?,;()]+)+[\\/]([^\\/\s'\"<>|:*?,;()]+)")
CODE = re.compile(r"``([^`]+)``")
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{5,}")


def for_terminal(text: str) -> str:
    """``text`` on one line, with escapes in place of what does not print (colours, titles, text from right to left).

    >>> for_terminal("red \\x1b[31m" + "\\n" + "/home/me/secret/mine.py: no")
    'red \\\\x1b[31m\\\\nmine.py: no'
    """
    text = _ADDRESS.sub("0x...", _PATH.sub(r"\1", str(text)))
    text = text if len(text) <= LONGEST else f"{text[:LONGEST]} ..."
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def in_one_line(text):
    """What an error says, on one line and without its middle if it is long: that is most often an array.

    >>> in_one_line("mine\\n\\n  is [" + "0. " * 99 + "]: take another")[-24:]
    '0. 0. 0. ]: take another'
    """
    text = " ".join(_ADDRESS.sub("0x...", _PATH.sub(r"\1", text)).split())
    return text if len(text) <= HEAD + TAIL else f"{text[:HEAD]} ... {text[-TAIL:]}"


def wrapped(text, width, before=""):
    """``text`` behind ``before``, in lines of at most ``width`` columns, 0 for one line; `commands` are not broken.

    Chinese is left to the terminal, which may break it anywhere.

    >>> print(wrapped("Run `minires lab --help` and `minires models`.", 20, "  * "))
      * Run
        `minires lab --help`
        and
        `minires models`.
    """
    if not width or any(unicodedata.east_asian_width(letter) in "WF" for letter in text):
        return before + text
    whole = re.sub(r"`[^`]+`", lambda found: found[0].replace(" ", "\0"), text)
    how = {"initial_indent": before, "subsequent_indent": " " * len(before), "break_long_words": False}
    return "\n".join(textwrap.wrap(whole, width, break_on_hyphens=False, **how)).replace("\0", " ")


def for_page(text):
    """``text`` for HTML, in an element or an attribute.

    >>> for_page("<b>&")
    '&lt;b&gt;&amp;'
    """
    return html.escape(for_terminal(text))


def sentence_for_page(text):
    """The same for a sentence: ``code`` in double backquotes is shown as code.

    >>> sentence_for_page("hand ``train`` on, if x < 0")
    'hand <code>train</code> on, if x &lt; 0'
    """
    return CODE.sub(r"<code>\1</code>", for_page(text))


def plain(text):
    """A sentence without the double backquotes around its ``code``.

    >>> plain("hand ``train`` on")
    'hand train on'
    """
    return CODE.sub(r"\1", text)


def for_table(text):
    """``text`` as a field of CSV that no program takes for a formula; quotes are the writer's task.

    >>> for_table("=1+1"), for_table("-1.5"), for_table("mean")
    ("'=1+1", "'-1.5", 'mean')
    """
    raw, text = str(text), for_terminal(text)
    return f"'{text}" if raw[:1] in ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%") or text[:1] == "'" else text
