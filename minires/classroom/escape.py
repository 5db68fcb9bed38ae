"""What a student wrote, made harmless for a terminal, a page, and a table."""

import html
import re

LONGEST = 300
# of the machine: two names or more with slashes between them, and addresses in memory
_PATH = re.compile(r"(?:[A-Za-z]:|~)?(?:[\\/]+[^\\/\s'\"<>|:*?,;()]+)+[\\/]([^\\/\s'\"<>|:*?,;()]+)")
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{5,}")


def for_terminal(text: str) -> str:
    """``text`` on one line, with escapes in place of what does not print (colours, titles, text from right to left).

    >>> for_terminal("red \\x1b[31m" + "\\n" + "/home/me/secret/mine.py: no")
    'red \\\\x1b[31m\\\\nmine.py: no'
    """
    text = _ADDRESS.sub("0x...", _PATH.sub(r"\1", str(text)))
    text = text if len(text) <= LONGEST else f"{text[:LONGEST]} ..."
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def for_page(text):
    """``text`` for HTML, in an element or an attribute.

    >>> for_page("<b>&")
    '&lt;b&gt;&amp;'
    """
    return html.escape(for_terminal(text))


def for_table(text):
    """``text`` as a field of CSV that no program takes for a formula; quotes are the writer's task.

    >>> for_table("=1+1"), for_table("-1.5"), for_table("mean")
    ("'=1+1", "'-1.5", 'mean')
    """
    raw, text = str(text), for_terminal(text)
    return f"'{text}" if raw[:1] in ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%") or text[:1] == "'" else text
