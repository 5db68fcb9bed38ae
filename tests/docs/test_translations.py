"""The Chinese catalogues: whole, of the English that stands there, with the same code, formulas and numbers."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from translations import CATALOGUES, facts, faults, messages, read, renew

DOCS = Path(__file__).parents[2] / "docs"
# documents without a whole translation as yet: none may join them
UNTRANSLATED = set((DOCS / "locale" / "untranslated.txt").read_text("utf-8").split())
NEEDS = "the site needs pip install -e .[docs]"


@pytest.fixture(scope="module")
def english(tmp_path_factory):
    for name in ("babel", "sphinx", "myst_nb"):
        pytest.importorskip(name, reason=NEEDS)
    folder = tmp_path_factory.mktemp("gettext")
    subprocess.run([sys.executable, DOCS / "stage.py", "en", folder / "en"], check=True)
    options = [
        "-qW",
        "-b",
        "gettext",
        "-D",
        "nb_execution_mode=off",
        "-D",
        "html_static_path=",
        "-c",
        DOCS,
        folder / "en",
        folder / "pot",
    ]
    run = subprocess.run([sys.executable, "-m", "sphinx", *options], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return messages(folder / "pot", folder / "en")


@pytest.mark.slow
def test_what_is_translated_is_whole_true_and_of_this_english(english):
    found = {name: list(faults(texts, CATALOGUES / f"{name}.po")) for name, texts in english.items()}
    wrong = {name: lines for name, lines in found.items() if lines and name not in UNTRANSLATED}
    assert not wrong, "\n".join(f"{name}: {line}" for name, lines in wrong.items() for line in lines[:20])
    done = sorted(name for name in UNTRANSLATED if not found.get(name))
    assert not done, f"take what is translated or gone out of docs/locale/untranslated.txt: {', '.join(done)}"


def test_what_stands_in_every_tutorial_is_said_alike():
    pytest.importorskip("babel", reason=NEEDS)
    said = {}
    for path in sorted((CATALOGUES / "tutorials").glob("*.po")):
        for message in read(path):
            if message.id:
                said.setdefault(message.id, {}).setdefault(message.string, path.stem)
    assert not {english: each for english, each in said.items() if len(each) > 1}


@pytest.mark.parametrize(
    ("english", "chinese", "same"),
    [
        ("`dx` is $a$", "$a$ 就是 `dx`", True),
        ("`dx` is 2", "`dx` 是 3", False),
        ("`dx`", "`dy`", False),
        ("[x](a.md) 0.5", "0.5 的 [文](a.md)", True),
        ("[x](a.md)", "[文](b.md)", False),
        ("$x_1$ and $y$", "$x_1$", False),
        ("ResNet-20", "ResNet-20", True),
    ],
)
def test_facts(english, chinese, same):
    assert (facts(english) == facts(chinese)) == same


def test_faults_are_found(tmp_path):
    pytest.importorskip("babel", reason=NEEDS)
    path = tmp_path / "page.po"
    entries = {"One `a`.": "一个 `b`。", "Two.": "", "Gone.": "没了。", "Four.": "四。", "5. Five": "5. 五"}
    path.write_text("\n\n".join(f'msgid "{k}"\nmsgstr "{v}"' for k, v in entries.items()), encoding="utf-8")
    found = " ".join(faults(["One `a`.", "Two.", "Three.", "Four.", "5. Five"], path))
    assert "differ in 'One" in found and "stale: 'Gone" in found and "Four" not in found
    assert "begins a list, and is dropped: write '1\\. ', in '5. Five'" in found
    assert re.findall(r"not translated: '(\w+)", found) == ["Two", "Three"]


def test_renewing_keeps_what_is_still_said_and_marks_what_was_changed(tmp_path, monkeypatch):
    pytest.importorskip("babel", reason=NEEDS)
    monkeypatch.setattr("translations.CATALOGUES", tmp_path)
    (tmp_path / "page.po").write_text(
        'msgid "One sentence that is kept."\nmsgstr "留下的句子。"\n\n'
        'msgid "A long sentence that somebody mended in one word."\nmsgstr "改过的句子。"\n',
        encoding="utf-8",
    )
    (tmp_path / "gone.po").write_text('msgid "x"\nmsgstr "y"\n', encoding="utf-8")
    texts = ["One sentence that is kept.", "A long sentence that somebody changed in one word."]
    renew({"page": texts})
    assert not (tmp_path / "gone.po").exists()
    assert [line.partition(":")[0] for line in faults(texts, tmp_path / "page.po")] == ["fuzzy"]
