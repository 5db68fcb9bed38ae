"""What a student wrote has no power over a terminal, a page, or a table."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minires.classroom.escape import LONGEST, for_page, for_table, for_terminal


@given(st.text())
def test_one_line_that_prints(text):
    shown = for_terminal(text)
    assert shown.isprintable() and len(shown) <= 10 * (LONGEST + 4)


@given(st.text())
def test_no_tag_and_no_end_of_an_attribute(text):
    assert not set(for_page(text)) & set("<>\"'")


@given(st.text())
def test_no_live_formula_and_one_field(text):
    buffer = io.StringIO()
    csv.writer(buffer).writerow([for_table(text), "next"])
    ((field, after),) = csv.reader(io.StringIO(buffer.getvalue()))
    assert after == "next" and field[:1] not in set("=+-@\t\r\n|%")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("No such file: '/work/here/x/hidden.py'", "No such file: 'hidden.py'"),
        (r"C:\Users\teacher\grade.py is missing", "grade.py is missing"),
        ("<object at 0x7f12ab34cd56>", "<object at 0x...>"),
        ("1/2 of H W / (OH OW)", "1/2 of H W / (OH OW)"),
        ("梯度 gradient", "梯度 gradient"),
        ("a\u2028b\u200fc\x00\x07", r"a\u2028b\u200fc\x00\x07"),
        ("x" * 400, "x" * LONGEST + " ..."),
    ],
)
def test_for_a_terminal(text, shown):
    assert for_terminal(text) == shown


@pytest.mark.parametrize("text", ["=HYPERLINK(1)", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "'=1", "|calc", "%0A"])
def test_formulas_are_quoted(text):
    assert for_table(text).startswith("'")
