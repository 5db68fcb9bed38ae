"""The list of survivors is well formed, and read and compared as ``make mutation`` needs it."""

import ast

import pytest
from mutation import run
from mutation.run import MORE, ROOT, SURVIVORS, differences, listed, selection, wording

TEXT = """# One reason,
# in two lines.
minires/ops.py f
    - a = 1
    + a = 2

minires/ops.py K.g
    - b = f(
    - x
    + b = f(

# Another.
minires/ops.py f
    - c = 3
    + c = 4
    - d = 5
    + d = 6
"""
FIRST, SECOND, THIRD = (
    ("minires/ops.py", "f", "- a = 1\n+ a = 2"),
    ("minires/ops.py", "K.g", "- b = f(\n- x\n+ b = f("),
    ("minires/ops.py", "f", "- c = 3\n+ c = 4\n- d = 5\n+ d = 6"),
)


def functions(path):
    """{name: the lines of its code} of all functions of a file and of the methods of its classes."""
    source = (ROOT / path).read_text()
    nodes = [("", node) for node in ast.parse(source).body]
    for _, node in list(nodes):
        if isinstance(node, ast.ClassDef):
            nodes += [(f"{node.name}.", method) for method in node.body]
    found = {}
    for prefix, node in nodes:
        if isinstance(node, ast.FunctionDef):
            lines = source.splitlines()[node.lineno - 1 : node.end_lineno]
            found[prefix + node.name] = {line.strip() for line in lines}
    return found


def test_every_survivor_is_a_change_of_a_line_that_is_there():
    reasons = listed(SURVIVORS.read_text())
    assert reasons and all(len(reason) > 20 for reason in reasons.values())
    code = {path: functions(path) for path, _, _ in reasons}
    for path, function, change in reasons:
        gone = [line[2:] for line in change.split("\n") if line.startswith("- ")]
        assert path in MORE and gone and "\n+ " in change, (path, function, change)
        assert set(gone) <= code[path][function], f"{path} {function} has no line {gone}: run make mutation ONLY={path}"


def test_every_file_has_selection_its_own():
    for path in MORE:
        assert (
            (ROOT / path).is_file()
            and selection(path)
            and all((ROOT / test.partition("::")[0]).is_file() for test in selection(path))
        )


def test_the_list_is_read_with_its_reasons():
    assert listed(TEXT) == {FIRST: "One reason, in two lines.", SECOND: "One reason, in two lines.", THIRD: "Another."}


def test_what_is_new_and_what_is_gone_is_told_in_the_form_of_the_list():
    assert differences({FIRST, THIRD}, {FIRST, THIRD}) == ""
    told = differences({FIRST, SECOND}, {FIRST, THIRD})
    assert listed(told) == {SECOND: "survives", THIRD: "is listed, and does not survive"}


def test_letters_of_a_text_are_wording_and_a_name_is_none():
    assert wording('- a = "some words"\n+ a = "SOME WORDS"') and wording('- f("x", "a b")\n+ f("x", "XXa bXX")')
    assert not wording('- f("x", "a b")\n+ f("X", "a b")') and not wording('- f("a b", 1)\n+ f("a b", 2)')
    assert not wording('- a = "some words"\n+ a = None')


@pytest.mark.parametrize(
    ("found", "failed"),
    [
        ((FIRST, SECOND, THIRD), False),
        ((FIRST, SECOND), True),
        ((FIRST, SECOND, THIRD, (*FIRST[:2], "- x\n+ y")), True),
    ],
)
def test_the_command_fails_where_the_list_is_not_what_survives(found, failed, tmp_path, monkeypatch, capsys):
    (tmp_path / "survivors.txt").write_text(TEXT)
    monkeypatch.setattr(run, "SURVIVORS", tmp_path / "survivors.txt")
    monkeypatch.setattr(run, "MORE", {"minires/ops.py": []})
    monkeypatch.setattr(run, "mutated", lambda path: (set(found), 9))
    assert run.main([]) is failed
    assert f"minires/ops.py: 9 mutants, {len(found)} survive" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="minires/none.py: not among the files"):
        run.main(["minires/none.py"])
