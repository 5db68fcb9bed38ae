"""The table of what the articles say: every item is there, and every name in it exists."""

import ast
import re
from pathlib import Path

import pytest

from minires.experiments import EXPERIMENTS
from minires.experiments.errors import ERRORS

TESTS = Path(__file__).parents[1]
ROWS = re.findall(r"^\| (\d+) \|(?: [^|]* \|)? ([^|]*) \|$", Path(__file__).with_name("coverage.md").read_text(), re.M)
ITEMS, UNSHOWN = ROWS[:54], ROWS[54:]
SHOWN = {error.number for error in ERRORS if error.snippet}


def exists(place):
    """Whether "experiment NAME", "error N", "test FILE::NAME" or "cannot be run: WHY" says something true."""
    kind, _, name = place.partition(" ")
    if kind == "experiment":
        return name in EXPERIMENTS
    if kind == "error":
        return name.isdecimal() and int(name) in SHOWN
    if kind == "test":
        file, _, function = name.partition("::")
        path = TESTS / file
        return path.is_file() and function in {
            node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)
        }
    return re.fullmatch("cannot be run: .{10,}", place) is not None


def test_no_item_and_no_error_is_missing():
    assert [int(number) for number, _ in ITEMS] == list(range(1, 55))
    assert {int(number) for number, _ in UNSHOWN} == {error.number for error in ERRORS} - SHOWN
    assert [error.number for error in ERRORS] == list(range(1, 25))


@pytest.mark.parametrize(("number", "where"), ROWS)
def test_every_name_exists(number, where):
    assert [place for place in where.split("; ") if not exists(place)] == []


@pytest.mark.parametrize(
    "place",
    [
        "experiment telepathy",
        "error 9",
        "error 25",
        "error nine",
        "test layers/test_norm.py::test_norm",
        "test layers/norm.py::test_x",
        "test layers/test_norm.py",
        "cannot be run",
        "cannot be run: no",
        "see above",
        "",
    ],
)
def test_what_does_not_exist_is_found(place):
    assert not exists(place)


def test_an_error_without_a_snippet_says_the_same_as_the_table():
    assert all("cannot be run" in where for _, where in UNSHOWN)
