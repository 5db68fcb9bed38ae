"""Docstrings of minires as Markdown: shapes as a list, equations and examples as code, references as links."""

import inspect
import re

ROLE = re.compile(r":\w+:`~?([^`<]+)`")
ERROR = re.compile(r"(?<![\w`.])([A-Z]\w*Error)\b")
SHAPES = re.compile(r"^\*{0,2}[A-Za-z_][\w.]*(, \*{0,2}[A-Za-z_][\w.]*)*: \S")
ESCAPED = re.compile(r"([\\*_\[\]<>$#|`{}~^])")


def markdown(doc, link):
    """The Markdown of the docstring ``doc``. ``link(name)`` gives the Markdown of a reference, or None."""
    blocks = re.split(r"\n(?:[ ]*\n)+", inspect.cleandoc(doc))
    return "\n\n".join(_joined(blocks, link))


def _joined(blocks, link):
    code = []
    for block in [*blocks, None]:
        if block is not None and block.startswith(" "):
            code.append(block)
            continue
        if code:
            yield _fenced(inspect.cleandoc("\n" + "\n\n".join(code)))
            code = []
        if block is not None:
            yield _block(block, link)


def _fenced(text):
    return f"```{'pycon' if text.startswith('>>>') else 'text'}\n{text}\n```"


def _block(block, link):
    lines = block.split("\n")
    if block.startswith(">>>"):
        return _fenced(block)
    for i, line in enumerate(lines[1:], 1):
        if line.startswith(">>>"):  # an example that follows its sentence without a gap
            return _block("\n".join(lines[:i]), link) + "\n\n" + _fenced("\n".join(lines[i:]))
    if SHAPES.match(block):
        return "\n".join(f"* {inline(item, link)}" for item in _items(lines))
    if re.match(r"[*-] ", block):
        return "\n".join(
            line[:2] + inline(line[2:], link) if line[0] in "*-" else "  " + inline(line.strip(), link)
            for line in lines
        )
    return "\n".join(inline(line, link) for line in lines)


def _items(lines):
    """``x: (N, D)   y: (N, M)`` are two; a line that names nothing belongs to the one before."""
    found = []
    for line in lines:
        for part in re.split(r"\s{3,}", line.strip()):
            if SHAPES.match(part) or not found:
                found.append(part)
            else:
                found[-1] += "   " + part
    return found


def inline(text, link):
    """One piece of text: code spans stay, references become links, all else is literal."""
    pieces = re.split(r"(:\w+:`[^`]+`|``.+?``)", text)
    return "".join(_piece(piece, link) for piece in pieces)


def _piece(piece, link):
    if role := ROLE.fullmatch(piece):
        return link(role[1]) or f"`{role[1].rpartition('.')[2]}`"
    if piece.startswith("``"):
        return f"`{piece.strip('`')}`"
    literal = re.sub(r"\s{2,}", "&emsp;", ESCAPED.sub(r"\\\1", piece))
    return ERROR.sub(lambda match: link(match[1]) or match[1], literal)
