"""Every tutorial runs, its asserts hold, its checks refuse what is wrong, and its words are explained before use."""

import ast
import os
import re
import runpy
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

from minires.errors import MiniresError

ROOT = Path(__file__).parents[1]
TUTORIALS = sorted((ROOT / "tutorials").glob("[0-9][0-9]_*.py"))
TERMS = tomllib.loads((ROOT / "docs" / "glossary.toml").read_text("utf-8"))["term"]
LABELS = ("You need", "You will be able to", "Time")
OPENING = re.compile(  # number and time
    r"# (\d+)\. .+\n\n(?:.+\n)+\n\*\*You need\*\*: (?:.+\n)+\n"
    r"\*\*You will be able to\*\*: (?:.+\n)+\n\*\*Time\*\*: (\d+) minutes"
)
OTHERS = ("matplotlib", "matplotlib.pyplot", "PIL", "torch", "tqdm", "tyro", "anywidget", "cupy")
ALONE = f"""
import runpy, sys
for name in {OTHERS}:
    sys.modules[name] = None
runpy.run_path(sys.argv[1], run_name="__main__")
"""


LONG = ("07", "10", "11", "12", "17", "18", "19")  # they compute for 4 to 9 s, and are run twice only where time is


def of(paths):
    return pytest.mark.parametrize("path", paths, ids=lambda path: path.stem)


def cells(path):
    """[(header, text), ...]; the text of Markdown without its comment signs."""
    found = []
    for header, text in re.findall(r"^# %%(.*)\n((?:(?!# %%).*(?:\n|\Z))*)", path.read_text("utf-8"), re.M):
        if header == " [markdown]":
            text = re.sub(r"^# ?", "", text, flags=re.M)
        found.append((header.strip(), text.strip()))
    return found


def prose(path):
    """The Markdown cells, without their headings, formulas, code and the titles of links."""
    texts = [re.sub(r"^(#|    ).*", "", text, flags=re.M) for header, text in cells(path) if header == "[markdown]"]
    return [re.sub(r"\$\$.*?\$\$|\$[^$]*\$|`[^`]*`|\[[^]]*\]\([^)]*\)", " ", text, flags=re.S) for text in texts]


def test_numbered_without_gaps():
    assert [int(path.name[:2]) for path in TUTORIALS] == list(range(1, len(TUTORIALS) + 1))


def test_the_readme_lists_them_by_their_titles():
    listed = re.findall(r"^(\d+)\. \[(.+)\]\(tutorials/(\w+)\.py\)$", (ROOT / "README.md").read_text("utf-8"), re.M)
    found = [re.match(r"# (\d+)\. (.+)", cells(path)[0][1]).groups() + (path.stem,) for path in TUTORIALS]
    assert listed == found


def test_the_chinese_readme_lists_them_by_their_chinese_titles():
    listed = re.findall(r"^(\d+)\. \[(.+)\]\(tutorials/(\w+)\.py\)$", (ROOT / "README.zh.md").read_text("utf-8"), re.M)
    catalogues = sorted((ROOT / "docs" / "locale" / "zh" / "LC_MESSAGES" / "tutorials").glob("[0-9]*.po"))
    titles = [re.search(r'^msgstr "(\d+)\\\\\. (.+)"$', path.read_text("utf-8"), re.M).groups() for path in catalogues]
    assert listed == [(*title, path.stem) for title, path in zip(titles, catalogues)]


@of(TUTORIALS)
def test_runs_and_its_checks_refuse_what_is_wrong(path, tmp_path, monkeypatch):
    plt = pytest.importorskip("matplotlib.pyplot")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MINIRES_FAST", "1")
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.delenv("DISPLAY", raising=False)
    plt.switch_backend("agg")
    drawn = []

    def show():
        drawn.extend(plt.figure(number) for number in plt.get_fignums())
        for figure in drawn:
            figure.canvas.draw()  # what cannot be drawn fails here
        plt.close("all")

    monkeypatch.setattr(plt, "show", show)
    found = runpy.run_path(str(path), run_name="__main__")
    assert not plt.get_fignums(), "a picture is drawn and not shown: plt.show()"
    assert drawn, "no picture"
    for figure in drawn:
        assert all(ax.get_xlabel() or not ax.lines for ax in figure.axes), "lines over an axis without a label"
    checks = [text for _, text in cells(path) if re.search(r"^def check_\d\(", text, re.M)]
    for number, check in enumerate(checks, start=1):
        given = [found[name] for name in re.findall(r"^def (wrong_\w+)\(", check, re.M)]  # where a bug is to be found
        answer = found[re.search(rf"^check_{number}\((\w+)\)", path.read_text("utf-8"), re.M)[1]]
        spoiled = lambda *a, answer=answer: ten_times(answer(*a))  # noqa: E731
        for wrong in (lambda *a, **k: None, lambda *a, **k: np.zeros(3), spoiled, *given):
            with pytest.raises((AssertionError, MiniresError)) as refusal:
                found[f"check_{number}"](wrong)
            assert str(refusal.value), f"check_{number} does not say what is wrong"


def ten_times(answer):
    """A wrong answer from a right one."""
    if isinstance(answer, (bool, np.bool_)):
        return not answer
    if isinstance(answer, (int, float, np.number, np.ndarray)):
        return 10 * answer
    if isinstance(answer, (list, tuple)):
        return type(answer)(ten_times(each) for each in answer)
    return None  # a word, a dictionary, a layer


@of(TUTORIALS)
def test_what_others_are_needed_for_stands_under_an_if(path):
    """Also where no ``test_runs_with_numpy_alone`` shows it: names of pictures are used where pictures are drawn."""
    body = ast.parse(path.read_text("utf-8")).body
    tried = [top for top in body if isinstance(top, ast.Try) and ast.unparse(top.handlers[0].type) == "ImportError"]
    drawn = [top for top in body if isinstance(top, ast.If) and ast.unparse(top.test) == "plt"]
    rest = [node for top in body if top not in tried + drawn for node in ast.walk(top)]
    names = bound(node for top in drawn for node in ast.walk(top)) - bound(rest)
    assert not [node.id for node in rest if isinstance(node, ast.Name) and node.id in names | {"plt"}]
    imports = [alias.name for node in rest if isinstance(node, ast.Import) for alias in node.names]
    imports += [node.module for node in rest if isinstance(node, ast.ImportFrom)]
    assert not [name for name in imports if name.partition(".")[0] in OTHERS]


def bound(nodes):
    """The names that code gives to something: variables, arguments, functions."""
    nodes = [node for node in nodes if not isinstance(getattr(node, "ctx", None), ast.Load)]
    return {getattr(node, field) for node in nodes for field in ("id", "arg", "name") if hasattr(node, field)}


@pytest.mark.parametrize(
    "path", [pytest.param(p, id=p.stem, marks=[pytest.mark.slow] if p.stem.startswith(LONG) else []) for p in TUTORIALS]
)
def test_runs_with_numpy_alone(path, tmp_path):
    env = {**os.environ, "MINIRES_FAST": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-W", "error", "-c", ALONE, str(path)]
    ran = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert ran.returncode == 0 and ran.stderr == "", ran.stderr


@of(TUTORIALS)
def test_is_a_percent_script_with_asserts_and_living_links(path):
    text = path.read_text("utf-8")
    assert text.startswith("# %% [markdown]\n# # ")
    assert re.search(r"^ *assert ", text, re.M)
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        if "://" not in target:
            assert (path.parent / target).exists(), f"{path.name} links to {target}, which does not exist"


@of(TUTORIALS)
def test_opens_with_what_is_needed_and_ends_with_what_it_settles(path):
    found = cells(path)
    opening = OPENING.fullmatch(found[0][1])
    assert opening, f"the first cell: {OPENING.pattern}"
    assert int(opening[1]) == int(path.name[:2])
    assert 15 <= int(opening[2]) <= 40
    assert found[-1][0] == "[markdown]" and found[-1][1].startswith("## What this settles\n")


@of(TUTORIALS)
def test_reads_well_as_a_notebook(path):
    """One title, formulas that MathJax sets within the `split` of Sphinx, and no output that nobody printed."""
    found = cells(path)
    texts = "\n".join(text for header, text in found if header == "[markdown]")
    assert len(re.findall(r"^# ", texts, re.M)) == 1
    assert r"\tag" not in texts
    for text in [text for header, text in found if header != "[markdown]" and text]:
        last = ast.parse(text).body[-1]
        silent = not isinstance(last, ast.Expr) or re.match(r"(print|check_\d)\(", ast.unparse(last))
        assert silent, f"a notebook shows the value of {ast.unparse(last)}"


@of(TUTORIALS)
def test_three_exercises_with_a_check_and_a_folded_answer(path):
    found = cells(path)
    starts = [i for i, (_, text) in enumerate(found) if text.startswith("## Exercise")]
    assert [re.match(r"## Exercise (\d): .", found[i][1])[1] for i in starts] == ["1", "2", "3"]
    for number, start in zip((1, 2, 3), starts):
        (asked, _), (checked, check), (folded, answer) = found[start : start + 3]
        assert (asked, checked, folded) == ("[markdown]", "", 'tags=["answer", "hide-cell"]')
        assert f"def check_{number}(" in check and not re.search(rf"^check_{number}\(", check, re.M)
        assert re.search(rf"^check_{number}\(", answer, re.M), "the answer is not checked"
    assert path.read_text("utf-8").count("hide-cell") == 3


@of(TUTORIALS)
def test_a_bold_word_is_a_term_of_the_glossary_that_this_tutorial_introduces(path):
    mine = {term["en"].lower() for term in TERMS if term["tutorial"] == path.stem}
    bold = [word for text in prose(path) for word in re.findall(r"\*\*(.+?)\*\*", text, re.S)]
    bold = [" ".join(word.split()).lower() for word in bold if word not in LABELS and re.search("[A-Za-z]", word)]
    assert len(set(bold)) == len(bold), f"bold twice: {sorted({word for word in bold if bold.count(word) > 1})}"
    assert {word for word in bold if not {word, word.removesuffix("s")} & mine} == set(), "not in docs/glossary.toml"
    assert {term for term in mine if not {term, term + "s"} & set(bold)} == set(), "not bold where it is explained"


def test_terms_are_complete_and_said_once():
    for term in TERMS:
        assert term.keys() == {"en", "zh", "meaning_en", "meaning_zh", "tutorial"} and all(term.values()), term
        assert re.search("[\u4e00-\u9fff]", term["zh"]) or term["zh"] == term["en"], f"{term['en']}: no Chinese"
        assert re.search("[\u4e00-\u9fff]", term["meaning_zh"]), f"{term['en']}: no Chinese meaning"
        assert term["tutorial"] in {path.stem for path in TUTORIALS}, f"{term['en']}: {term['tutorial']} is no tutorial"
    for language in ("en", "zh"):
        words = [term[language].lower() for term in TERMS]
        assert len(set(words)) == len(words), f"twice: {sorted({word for word in words if words.count(word) > 1})}"
    order = [term["tutorial"] for term in TERMS]
    assert order == sorted(order), "the terms stand in the order of the tutorials"


@pytest.mark.parametrize("term", TERMS, ids=lambda term: term["en"])
def test_no_term_is_used_before_it_is_introduced(term):
    """The first cell of a tutorial may announce a word, and the last one look ahead."""
    word = re.compile(rf"(?<![\w-]){re.escape(term['en'])}(s|es)?(?![\w-])".replace(r"\ ", r"\s+"), re.I)
    for path in TUTORIALS:
        body = "\n".join(prose(path)[1:-1])
        if path.stem == term["tutorial"]:
            body = body[: re.search(rf"\*\*{word.pattern}\*\*", body, re.I).start()]
        early = word.search(body)
        assert not early, f"{path.stem} uses it: ...{body[max(0, early.start() - 60) : early.end() + 30]}..."
        if path.stem == term["tutorial"]:
            return
