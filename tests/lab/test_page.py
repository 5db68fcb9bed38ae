"""The page of the laboratory: what Python writes, and, where there is Chromium, how it is used."""

import json
import os
import re
import shutil
import subprocess
import sys
import types
from pathlib import Path

import pytest
from lab.test_server import listening

import minires
from minires.errors import RangeError, StateError
from minires.lab import Lab, to_widget, widget
from minires.lab.choices import CHOICES, DATA
from minires.lab.page import TITLES, module, to_html

BROWSER = Path(__file__).parent / "browser"
SMALL = {"do": "make", "nets": [{"depth": 8}, {"depth": 8}]}


@pytest.mark.parametrize("language", TITLES)
def test_the_page_asks_its_own_server_alone(language):
    text = to_html(language)
    assert f'<html lang="{language}">' in text and TITLES[language] in text
    (policy,) = re.findall(r'content="(default-src.*?)"', text, re.DOTALL)
    assert policy.startswith("default-src 'none';") and "connect-src 'self'" in policy and "unsafe" not in policy
    assert re.findall(r"fetch\((.*?),", text) == ['"ask"']
    assert "http" not in text.replace('http-equiv="Content-Security-Policy"', "")
    assert not re.search(r"\b(src|href)=|@import|url\(|XMLHttpRequest|WebSocket|localStorage", text)
    facts = json.loads(re.search(r'id="facts">(.*?)</script>', text)[1])
    assert facts["choices"] == json.loads(json.dumps(CHOICES)) and facts["data"] == list(DATA)


SHAPES = """
const shape = (value) => value && value.constructor === Object
  ? Object.fromEntries(Object.keys(value).sort().map((key) => [key, shape(value[key])]))
  : typeof value === "function" ? `function of ${value.length}` : Array.isArray(value) ? value.map(shape) : "words";
const { classes: en, ...english } = WORDS.en;
const { classes: zh, ...chinese } = WORDS.zh;
const flat = (value) => typeof value === "function" ? flat(value(["n"], ["m"])) : asText(value.constructor === Object
  ? Object.values(value).map(flat).map((text) => new Markup(text)) : value);
const same = Object.keys(english).filter((key) => flat(english[key]) === flat(chinese[key]));
const used = Object.keys(english).filter((key) => !TEXT.includes(`words.${key}`) && !TEXT.includes(`"${key}"`));
console.log(JSON.stringify([shape(english), shape(chinese), same, used]));
"""


def test_both_languages_have_the_same_words(tmp_path):
    if (node := shutil.which("node")) is None:
        pytest.skip("needs node")
    table = module().split("const WORDS = ")[1]
    rest = table.split("\n};\n", 1)[1]
    script = module() + f"\nconst TEXT = {json.dumps(rest)};\n" + SHAPES
    (tmp_path / "words.mjs").write_text(script, encoding="utf-8")
    found = subprocess.run([node, tmp_path / "words.mjs"], capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    english, chinese, same, unused = json.loads(found.stdout)
    assert english == chinese and len(english) > 50
    assert same == [], "words that are not translated"
    assert unused == [], "words that no script uses"
    assert set(english["blocks"]) == set(CHOICES["block"]) and set(english["shortcuts"]) == set(CHOICES["shortcut"])
    assert set(english["norms"]) == set(CHOICES["norm"]) and set(english["names"]) == set(DATA)


def test_it_says_why_the_1_arrives_in_spite_of_what_breaks_it(tmp_path):
    """Where the branches are near 0, a ReLU behind the addition masks nothing."""
    if (node := shutil.which("node")) is None:
        pytest.skip("needs node")
    lab = Lab()
    lab.respond({"do": "make", "nets": [{"depth": 8, "norm": "fixup"}, {"depth": 8, "block": "full_preact"}]})
    doc = lab.respond({"do": "step"})
    assert [net["audit"]["good"] > 0 for net in doc["nets"]] == [True, True]
    said = "console.log(JSON.stringify([0, 1].map((side) => asText(verdict(doc, side, WORDS.en)))));"
    (tmp_path / "said.mjs").write_text(f"{module()}\nconst doc = {json.dumps(doc)};\n{said}", encoding="utf-8")
    found = subprocess.run([node, tmp_path / "said.mjs"], capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    assert ["happen to change nothing" in text for text in json.loads(found.stdout)] == [True, False]


def test_the_widget_answers_what_the_page_asks(monkeypatch):
    class AnyWidget:
        def __init__(self, **traits):
            vars(self).update(traits)
            self.sent = []

        def on_msg(self, callback):
            self.callback = callback

        def send(self, content):
            self.sent.append(content)

    traitlets = types.SimpleNamespace(Dict=lambda: types.SimpleNamespace(tag=lambda **tags: None))
    monkeypatch.setitem(sys.modules, "anywidget", types.SimpleNamespace(AnyWidget=AnyWidget))
    monkeypatch.setitem(sys.modules, "traitlets", traitlets)
    widget._widget_class.cache_clear()
    try:
        shown = to_widget("zh")
    finally:
        widget._widget_class.cache_clear()
    assert shown.facts["language"] == "zh" and shown._esm.startswith(module())
    lab = Lab()
    for number, request in enumerate([SMALL, {"do": "step"}, {"do": "else"}]):
        shown.callback(shown, {"number": number, "request": request}, [])
        assert shown.sent[-1] == {"number": number, "answer": json.dumps(lab.respond(request))}, "text keeps its nulls"


def test_a_widget_of_another_language_or_without_anywidget(monkeypatch):
    with pytest.raises(RangeError, match="language is 'fr', expected one of en, zh"):
        to_widget("fr")
    monkeypatch.setitem(sys.modules, "anywidget", None)
    widget._widget_class.cache_clear()
    with pytest.raises(StateError, match=r"anywidget is not installed.*minires\[notebook\]"):
        to_widget()


def test_a_chinese_sentence_has_no_blank_where_its_line_ends():
    assert re.search(r"，<b class=\"branch\">绿色", module()) and not re.search(
        r"[，。：；？！]\s*\n\s*[\u4e00-\u9fff<1]", module()
    )


@pytest.mark.slow
def test_it_answers_in_pyodide_as_here():
    node, folder = shutil.which("node"), os.environ.get("MINIRES_PYODIDE")
    if not node or not folder:
        pytest.skip("needs node, and MINIRES_PYODIDE set to a folder with Pyodide and its NumPy")
    requests = [SMALL, {"do": "step", "steps": 2}, {"do": "else"}]
    command = [node, str(BROWSER / "in_pyodide.mjs"), folder, str(Path(minires.__file__).parent), json.dumps(requests)]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-3000:]
    made, stepped, refused = json.loads(run.stdout.splitlines()[-1])
    lab = Lab()
    here = [lab.respond(request) for request in requests]
    assert refused == here[2] and stepped["step"] == 2
    for net, own in zip(made["nets"], here[0]["nets"]):
        assert net["audit"]["breaks"] == own["audit"]["breaks"] and net["audit"]["good"] == own["audit"]["good"]
        assert net["first_to_last"] == pytest.approx(own["first_to_last"], rel=1e-3)
    for row, own in zip(stepped["losses"], here[1]["losses"]):
        assert row == pytest.approx(own, rel=1e-3)


@pytest.mark.slow
def test_readers_can_use_it():
    node = shutil.which("node")
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if not node or not chromium:
        pytest.skip("needs node and chromium")
    found = subprocess.run([node, "-e", "require.resolve('playwright-core')"], cwd=BROWSER, capture_output=True)
    if found.returncode:
        pytest.skip("needs playwright-core: npm install playwright-core, and NODE_PATH set to its node_modules")
    with listening() as english, listening("zh") as chinese:
        command = [node, str(BROWSER / "check_lab.mjs"), chromium, english.address, chinese.address]
        run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-3000:]
    assert "the lab is as it should be" in run.stdout
