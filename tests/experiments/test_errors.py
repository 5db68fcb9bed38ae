"""The 24 errors of the articles: each snippet runs, shows the correction, and refutes what the article says."""

import ast
import re

import pytest

from minires.experiments.errors import ERRORS

RUN = [error for error in ERRORS if error.snippet]
# the article's version of what the snippet measures, which must be false of the same numbers
AS_THE_ARTICLE_SAYS = {
    1: "'resnet153' in depth or not refused",
    2: "ratio['plain56'] < 1",
    3: "no_shortcut > no_branch",
    4: "max(least) < 0",
    5: "difference < 1e-6",
    6: "last < 1e-12",
    7: "all(found['original']) or all(found['full_preact'])",
    8: "correlation < 2 * law",
    10: "error > 1e-3",
    12: "found[1] > 0.1",
    13: "count('resnet34') == large['A']",
    15: "refused == ''",
    16: "convolutions['resnet50'] == convolutions['resnet34']",
    17: "len(places['resnet50']) == 3",
    18: "abs(run(0.0).mean()) < 1e-6 or moved[1] < 1e-6",
    19: "'relu2' in inside or len([name for name in inside if 'relu' in name]) == 2",
    20: "(one == two).all() or params['resnext50_32x4d'] > 1.5 * params['resnet50']",
    21: "params[8] / params[4] > 2 * params[4] / params[2]",
    22: "width[1, 0] == 3",
    23: "full <= 18",
    24: "macs['3x3'] == macs['1x1']",
}
# letters, with digits that belong to a name (plain56, 2^-L, 1x1) but no number of its own
NAMES = re.compile(r"[A-Za-z_]+[\w.]*|\d+x\d+|\d\^-L")


def ids(error):
    return f"{error.number}"


def test_there_are_24():
    assert [error.number for error in ERRORS] == list(range(1, 25))
    assert {error.number for error in ERRORS if not error.snippet} == {9, 11, 14}
    assert AS_THE_ARTICLE_SAYS.keys() == {error.number for error in RUN}
    assert all(bool(error.snippet) != bool(error.because) for error in ERRORS)


@pytest.mark.parametrize("error", RUN, ids=ids)
def test_at_most_eight_lines_that_assert(error):
    body = error.code.split("\n\n", 1)[1]
    assert len([line for line in body.splitlines() if line.strip()]) <= 8
    asserted = [node.test for node in ast.walk(ast.parse(body)) if isinstance(node, ast.Assert)]
    assert asserted and all(any(isinstance(n, ast.Name) for n in ast.walk(test)) for test in asserted)


@pytest.mark.slow
@pytest.mark.parametrize("error", RUN, ids=ids)
def test_it_prints_and_the_article_is_refuted(error, capsys):
    assert error.output.strip() and len(error.output) < 600
    names = {}
    exec(error.code, names)  # what a reader would run
    assert capsys.readouterr().out == error.output, "the same in each run"
    assert not eval(AS_THE_ARTICLE_SAYS[error.number], names)


@pytest.mark.parametrize("error", RUN, ids=ids)
def test_no_printed_number_is_typed(error):
    """Words that are printed have no digit but in a name, and no number stands in what is printed, but as an index."""
    for call in ast.walk(ast.parse(error.code)):
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "print":
            assert typed(call) == []


def typed(node):
    """The numbers that are printed as they were typed; formats and indices are not printed."""
    if isinstance(node, ast.Constant):
        text = NAMES.sub("", str(node.value))
        return [node.value] if re.search(r"\d", text) else []
    if isinstance(node, ast.FormattedValue):
        return typed(node.value)
    if isinstance(node, (ast.Subscript, ast.Call)) and getattr(getattr(node, "func", None), "id", "") != "print":
        return []  # what it gives is computed
    return [number for child in ast.iter_child_nodes(node) for number in typed(child)]


@pytest.mark.parametrize("typed_in", ["print(152)", "print('152 layers')", "print(f'{x:.2f} of 9')", "print(x, 3)"])
def test_a_typed_number_is_found(typed_in):
    assert typed(ast.parse(typed_in))
    assert not typed(ast.parse("print(f'{x:.3g} of plain56, {y[1]:.2f}', sep='')"))


def test_a_program_imports_what_it_needs_and_no_more():
    code = next(error for error in ERRORS if error.number == 21).code
    assert code.startswith("import numpy as np\nfrom minires.models import build, summarize\n\nparams = {")
