"""Docstrings as Markdown."""

import pytest
from staging.docstring import inline, markdown


def nowhere(name):
    return None


def linked(name):
    return f"[{name}]"


@pytest.mark.parametrize(
    ("doc", "expected"),
    [
        ("One\nparagraph.", "One\nparagraph."),
        ("x: (N, D)   y: (N, M)\nbias: (M,)", "* x: (N, D)\n* y: (N, M)\n* bias: (M,)"),
        ("seed: of the\ndraw", "* seed: of the&emsp;draw"),
        ("Maths:\n\n    y = a * b\n\n    z = y\n\nThen.", "Maths:\n\n```text\ny = a * b\n\nz = y\n```\n\nThen."),
        (">>> 1 + 1\n2", "```pycon\n>>> 1 + 1\n2\n```"),
        ("Such:\n>>> 1\n1", "Such:\n\n```pycon\n>>> 1\n1\n```"),
        ("* one\n* two\n  lines", "* one\n* two\n  lines"),
    ],
)
def test_blocks(doc, expected):
    assert markdown(doc, nowhere) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a * b < c_d [e] $f", r"a \* b \< c\_d \[e\] \$f"),
        ("``a * b`` stays", "`a * b` stays"),
        (":class:`~minires.layers.Param` of it", "[minires.layers.Param] of it"),
        ("Raises ShapeError.", "Raises [ShapeError]."),
        ("``ShapeError`` too", "`ShapeError` too"),
        ("y = x.   dx = dy", "y = x.&emsp;dx = dy"),
    ],
)
def test_inline(text, expected):
    assert inline(text, linked) == expected


def test_a_reference_to_nothing_is_code():
    assert inline(":func:`~a.b`", nowhere) == "`b`"
