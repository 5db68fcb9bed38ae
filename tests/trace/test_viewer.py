"""The page of a trace: what Python writes, and, where Chromium and playwright-core are present, what a reader sees."""

import base64
import copy
import hashlib
import html.parser
import json
import re
import shutil
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from minires import models
from minires.errors import RangeError, StateError
from minires.layers import (
    BatchNorm2d,
    Concat,
    Conv2d,
    Dropout,
    Flatten,
    Gate,
    GlobalAvgPool2d,
    Identity,
    Linear,
    ReLU,
    Residual,
    Sequential,
    Sigmoid,
)
from minires.trace import trace
from minires.trace.audit import WHERE
from minires.trace.report import as_dict
from minires.trace.viewer import page, to_html, to_widget, widget

BROWSER = Path(__file__).parent / "browser"
NAMES = ("bag", "boot", "coat", "dress")
NASTY = "</script><!--<script>\u2028'\"&<img src=x onerror=alert(1)>"


def conv(channels, out, rng, stride=1):
    return Sequential(BatchNorm2d(channels), ReLU(), Conv2d(channels, out, 3, stride=stride, padding=1, rng=rng))


def head(channels, rng):
    return Sequential(GlobalAvgPool2d(), Flatten(), Linear(channels, 4, rng=rng))


def gates(rng):
    gate = Sequential(Conv2d(3, 3, 1, rng=rng), Sigmoid())
    return Sequential(Gate(conv(3, 3, rng), gate), Gate(conv(3, 3, rng), gate, exclusive=False), head(3, rng))


def dense(rng):
    first = Concat(shortcut=Identity(), branch=conv(3, 2, rng))
    inception = Concat(a=conv(4, 2, rng), b=Conv2d(4, 3, 1, rng=rng))
    return Sequential(first, conv(5, 4, rng, stride=2), Concat(branch=conv(4, 4, rng)), inception, head(5, rng))


def vectors(rng):
    names = {"<b>": Residual(Linear(12, 12, rng=rng)), "a & b": Residual(ReLU(), Dropout(0.5, rng=rng))}
    return Sequential(Flatten(), Linear(48, 12, rng=rng), Sequential(**names), Residual(Linear(12, 12, rng=rng)))


def of(name, **options):
    return lambda rng: models.build(name, num_classes=4, rng=rng, **options)


MAKES = {
    "v1": of("resnet8"),
    "projections": of("resnet8", shortcut="B"),
    "v2": of("resnet14", block="full_preact"),
    "v2 projections": of("preact_resnet8", shortcut="B"),
    "gates": gates,
    "dense": dense,
    "vectors": vectors,
    "plain": of("plain8"),
}


def document(make, **options):
    rng = np.random.default_rng(5)
    x = rng.standard_normal((4, 3, 4, 4)).astype(np.float32)
    return as_dict(trace(MAKES[make](rng), x, np.array([0, 1, 2, 3])), **{"name": make, "pictures": True, **options})


class Reader(html.parser.HTMLParser):
    """Collects the text of every element by its name and attributes."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs), []))

    def handle_data(self, data):
        if self.found:
            self.found[-1][2].append(data)

    def handle_endtag(self, tag):
        self.found.append((f"end of {tag}", {}, []))

    def texts(self, tag, **attrs):
        return ["".join(t) for name, a, t in self.found if name == tag and a.items() >= attrs.items()]


@pytest.mark.parametrize("name", MAKES)
def test_the_page_holds_the_document(name):
    facts = document(name)
    (text,) = Reader(to_html(facts)).texts("script", id="trace")
    assert json.loads(text) == json.loads(json.dumps(facts))


def test_the_page_changes_nothing():
    facts = document("v1")
    before = copy.deepcopy(facts)
    to_html(facts)
    assert facts == before


def test_nothing_in_the_document_ends_the_script():
    reader = Reader(to_html(document("vectors", name=NASTY)))
    (text,) = reader.texts("script", id="trace")
    assert json.loads(text)["model"] == NASTY
    assert [tag for tag, _, _ in reader.found].count("script") == 2
    assert not any(tag == "img" for tag, _, _ in reader.found)


def test_the_page_asks_nobody():
    text = to_html(document("v1"))
    assert "http" not in text.replace('http-equiv="Content-Security-Policy"', "")
    assert not re.search(r"\b(src|href)=|@import|url\(|\bimport\b[^a-z]*[({'\"]|fetch\(|XMLHttpRequest|WebSocket", text)


def test_the_policy_names_the_script_and_the_style():
    reader = Reader(to_html(document("v1")))
    (policy,) = [a["content"] for tag, a, _ in reader.found if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy.startswith("default-src 'none';") and "unsafe" not in policy
    for tag, text in (("script", reader.texts("script", type="module")), ("style", reader.texts("style"))):
        digest = base64.b64encode(hashlib.sha256(text[0].encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy


def test_resnet20_with_pictures_is_small():
    model = models.build("resnet20", rng=0)
    x = np.random.default_rng(0).standard_normal((2, 3, 32, 32)).astype(np.float32)
    assert len(trace(model, x, np.array([1, 2])).to_html().encode()) < 300_000


def test_the_ledger_makes_the_page_and_the_widget(monkeypatch):
    model, x = models.build("resnet8", rng=0), np.zeros((2, 3, 4, 4), np.float32)
    x[0] = 1
    ledger = trace(model, x, np.array([1, 2]))
    monkeypatch.setattr("minires.trace.viewer.to_widget", lambda document, language: document)
    assert ledger.to_widget(name="mine") == as_dict(ledger, name="mine", pictures=True)
    assert ledger.to_html(name="mine") == to_html(as_dict(ledger, name="mine", pictures=True))
    assert ledger.to_html(pictures=False) == to_html(as_dict(ledger))


@pytest.mark.parametrize("wrong", [{}, {"format": "minires trace", "version": 2}, {"format": "other", "version": 1}])
@pytest.mark.parametrize("show", [to_html, to_widget])
def test_another_document_is_refused(show, wrong):
    with pytest.raises(RangeError, match="expected 'minires trace' version 1"):
        show(wrong)


def test_the_page_knows_where_identities_break():
    breaks = [b for name in MAKES for block in document(name)["blocks"] for b in block["breaks"]]
    assert {b["place"] for b in breaks} == WHERE.keys() and all(b["where"] == WHERE[b["place"]] for b in breaks)
    told = page.module()
    assert all(f'"{place}"' in told for place in WHERE.keys() - {"join"})
    assert not any(words in told for words in WHERE.values()), "the page asks keys, not English"


def test_a_widget_without_anywidget_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "anywidget", None)
    widget._widget_class.cache_clear()
    with pytest.raises(StateError, match=r"anywidget is not installed.*minires\[notebook\]"):
        to_widget(document("v1"))


def test_the_widget_is_the_page(monkeypatch):
    class Synced:
        def __init__(self, default=None, allow_none=False):
            self.default, self.tags = default, None

        def tag(self, **tags):
            self.tags = tags
            return self

    class AnyWidget:
        def __init__(self, **traits):
            vars(self).update(traits)

    monkeypatch.setitem(sys.modules, "anywidget", types.SimpleNamespace(AnyWidget=AnyWidget))
    monkeypatch.setitem(sys.modules, "traitlets", types.SimpleNamespace(Dict=Synced, Int=Synced))
    widget._widget_class.cache_clear()
    try:
        shown = to_widget(facts := document("v1"))
    finally:
        widget._widget_class.cache_clear()
    assert shown.document is facts
    assert type(shown).step.tags == {"sync": True}
    tags = type(shown).document.tags
    assert tags["sync"] and json.loads(tags["to_json"](facts, shown)) == facts, "text keeps its nulls"
    assert shown._esm in to_html(facts) and shown._css in to_html(facts)
    assert shown._esm.rstrip().endswith("export default { render };")


def test_readers_see_the_numbers_of_the_document(tmp_path):
    node = shutil.which("node")
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if not node or not chromium:
        pytest.skip("needs node and chromium")
    found = subprocess.run([node, "-e", "require.resolve('playwright-core')"], cwd=BROWSER, capture_output=True)
    if found.returncode:
        pytest.skip("needs playwright-core: npm install playwright-core, and NODE_PATH set to its node_modules")
    pages = {name: document(name, classes=NAMES if name == "v1" else ()) for name in MAKES}
    pages["against"] = beside_a_plain_network()
    pages["empty"] = as_dict(trace(Sequential(ReLU()), np.ones((2, 3), np.float32), dy=np.ones((2, 3), np.float32)))
    pages["nasty"] = document("vectors", name=NASTY, classes=(NASTY,) * 12)
    pages["numbers"] = document("gates", pictures=False)
    pages["nothing"] = zero_gradient()
    for name, facts in pages.items():
        (tmp_path / f"{name}.html").write_text(to_html(facts), encoding="utf-8")
    files = [str(tmp_path / f"{name}.html") for name in pages]
    run = subprocess.run([node, str(BROWSER / "check_pages.mjs"), chromium, *files], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-3000:]
    assert f"{len(files)} pages" in run.stdout


def beside_a_plain_network():
    x, labels = np.random.default_rng(5).standard_normal((4, 3, 8, 8)).astype(np.float32), np.arange(4)
    one, other = (trace(of(name)(0), x, labels) for name in ("resnet14", "plain14"))
    return as_dict(one, pictures=True, against=("plain14", other))


def zero_gradient():
    """A trace in which every ratio is 0 / 0."""
    x = np.ones((2, 3, 4, 4), np.float32)
    return as_dict(trace(of("resnet8")(0), x, dy=np.zeros((2, 4), np.float32)), pictures=True)
