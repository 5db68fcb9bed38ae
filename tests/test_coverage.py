"""The table of what the articles say: every item is there, and every name in it exists."""

import ast
import re
from pathlib import Path

import pytest

from minires.classroom import assignments
from minires.errors import RangeError
from minires.experiments import EXPERIMENTS
from minires.experiments.errors import ERRORS
from minires.models import find

TESTS = Path(__file__).parent
TUTORIALS = TESTS.parent / "tutorials"
TABLES = (TUTORIALS / "COVERAGE.md").read_text()
ROWS = re.findall(r"^\| (\d+) \|(?: [^|]* \|)? ([^|]*) \|$", TABLES, re.M)
ITEMS, UNSHOWN = ROWS[:54], ROWS[54:]
ARTICLES = dict(re.findall(r"^\| ([a-zA-Z ]+) \| ([\d, ]+) \|$", TABLES, re.M))
SHOWN = {error.number for error in ERRORS if error.snippet}


def exists(place):
    """Whether "model NAME", "tutorial NAME", ..., "test FILE::NAME" or "cannot be run: WHY" says something true."""
    kind, _, name = place.partition(" ")
    if kind == "model":
        try:
            return bool(find(name))
        except RangeError:
            return False
    if kind == "tutorial":
        return (TUTORIALS / f"{name}.py").is_file()
    if kind == "exercise":
        name, _, number = name.partition(" ")
        path = TUTORIALS / f"{name}.py"
        return path.is_file() and f"\n# ## Exercise {number}: " in path.read_text()
    if kind == "assignment":
        return name in assignments()
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


def test_every_item_is_in_an_article_and_has_its_tutorial_or_says_why_not():
    listed = [int(number) for items in ARTICLES.values() for number in items.split(", ")]
    assert len(ARTICLES) == 5 and set(listed) == set(range(1, 55))
    assert [n for n, where in ITEMS if "tutorial " not in where and "cannot be run: " not in where] == ["43", "54"]


@pytest.mark.parametrize(("number", "where"), ROWS)
def test_every_name_exists(number, where):
    assert [place for place in where.split("; ") if not exists(place)] == []


@pytest.mark.parametrize(
    "place",
    [
        "model resnets20",
        "tutorial 99_more",
        "exercise 01_a_layer_and_its_gradient 4",
        "exercise 99_more 1",
        "assignment nothing",
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
