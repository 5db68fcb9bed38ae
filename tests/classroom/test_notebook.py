"""The handout as a notebook: cells, a check that runs in it, and no line of the solution."""

import json
import sys

import pytest

from minires import cli
from minires.classroom import assignment, assignments, build, new
from minires.classroom.export.bundle import Bundle, outputs
from minires.classroom.export.nbgrader import condition
from minires.classroom.notebook import CHECK
from minires.classroom.submissions import source_of
from minires.errors import StateError


@pytest.fixture
def made(tmp_path):
    """A function that builds the notebook of an assignment and returns (path, cells)."""
    pytest.importorskip("jupytext")
    pytest.importorskip("nbformat")

    def make(name, **how):
        path = build(name, tmp_path / "handouts", as_notebook=True, **how)[0]
        return path, json.loads(path.read_text())["cells"]

    return make


@pytest.mark.parametrize("name", assignments())
def test_a_cell_for_each_function_and_a_check(made, name):
    path, cells = made(name)
    each = assignment(name)
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    for function in each.functions():
        assert sum(f"def {function}(" in text for text in code) == 1
    assert "check(" in code[-1] and cells[0]["cell_type"] == "markdown"
    assert "".join(cells[0]["source"]).strip() == each.statement().strip()
    assert source_of(path, name, each.functions()).count("raise NotImplementedError") == len(each.functions())
    assert made(name)[1] == cells


@pytest.mark.parametrize("own", [False, True])
def test_filled_in_it_is_checked_and_handed_in(made, own, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = "linear"
    if own:
        new("demo", tmp_path)
        name = "demo"
    path, cells = made(name)
    monkeypatch.chdir(path.parent)
    solution = assignment("linear" if not own else str(tmp_path / "demo")).solution()
    names: dict = {}
    exec(solution, names)
    exec("".join(cells[-1]["source"]), names)
    assert "All outputs are right" in capsys.readouterr().out
    notebook = json.loads(path.read_text())
    notebook["cells"].insert(-1, {"cell_type": "code", "source": solution, "metadata": {}, "outputs": []})
    path.write_text(json.dumps(notebook))
    assert cli.main(["assign", "check", "." if own else name, path.name]) == 0


@pytest.mark.parametrize(
    "each", [each for each in assignments().values() if not each.files], ids=lambda each: each.name
)
def test_the_cells_that_check_leave_the_names_of_the_student_alone(each, capsys):
    names: dict = {}
    exec(each.solution(), names)
    own = dict(names)
    exec(CHECK.format(where=each.name, language="en"), names)
    assert "All outputs are right" in capsys.readouterr().out
    worth = outputs(each)
    exec(condition(Bundle(each, each.name, {}, {}, "", worth), next(iter(worth))), names)
    assert own.items() <= names.items()


def test_it_checks_in_its_own_language(made, capsys):
    _, cells = made("linear", language="zh")
    names: dict = {}
    exec(assignment("linear").solution(), names)
    exec("".join(cells[-1]["source"]), names)
    assert "全部输出正确。" in capsys.readouterr().out


def test_an_earlier_notebook_is_overwritten_unless_somebody_has_worked_in_it(made):
    for language in ("en", "zh", "en"):
        path, cells = made("linear", language=language)
    filled = [dict(cell) for cell in cells]
    filled[2]["source"] = assignment("linear").solution()
    more = [*cells[:-1], {"cell_type": "markdown", "id": "x", "metadata": {}, "source": "my notes"}, cells[-1]]
    note = [*cells[:-1], {**cells[1], "id": "y", "source": "# my notes"}, cells[-1]]
    for touched in (filled, more, note, cells[:-1]):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"cells": touched}))
        before = path.read_text()
        with pytest.raises(StateError, match="linear.ipynb has been written in, and is kept"):
            made("linear", language="zh")
        assert path.read_text() == before


def test_without_the_extra_a_sentence_says_which(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, "jupytext", None)
    with pytest.raises(StateError, match=r"a notebook needs jupytext: pip install 'minires\[classroom\]'"):
        build("linear", tmp_path, as_notebook=True)
    assert cli.main(["assign", "build", "linear", "--out", str(tmp_path / "out"), "--notebook"]) == 1
    assert "minires[classroom]" in capsys.readouterr().err
    assert not any(tmp_path.iterdir())
