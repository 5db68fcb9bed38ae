"""The report: a card for each claim, whose numbers are those of the JSON and none typed, and the errors."""

import html.parser
import itertools
import math
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from minires.errors import StateError
from minires.experiments import EXPERIMENTS, Check, Claim, Experiment, Verdict
from minires.experiments.errors import ERRORS
from minires.experiments.experiment import ARTICLES
from minires.experiments.pictures import picture
from minires.experiments.report import report, to_html
from minires.experiments.store import stored

COMMITTED = Path(__file__).parents[2] / "bench/results/experiments"
BROWSER = Path(__file__).parents[1] / "trace" / "browser"
VOID = {"meta", "input", "link", "br", "path", "use", "image"}
NOT_RUN = [error for error in ERRORS if not error.snippet]
QUICK = [error for error in ERRORS if error.number in (9, 19)]
SETTINGS = {"quick": True, "engine": "compiled"}
NASTY = "</script><!--<script>\u2028'\"&<img src=x onerror=alert(1)>"


def nasty():
    """An experiment of which every text is hostile, and whose numbers decide on the word."""
    verdict = lambda numbers: Verdict(
        (Check(NASTY, tuple(n["a"] for n in numbers), 0.5), Check("b", tuple(n["b"] for n in numbers), -2, 3)),
        condition=NASTY if numbers[0]["b"] > 1 else "",
    )
    draw = lambda numbers, figure: figure.subplots().plot([n["a"] for n in numbers], label=NASTY)
    return Experiment("nasty", Claim(NASTY, NASTY, NASTY), None, verdict, draw, breaks={NASTY: None})


@pytest.fixture
def page(monkeypatch):
    """A function that gives the page of one experiment with these numbers of a and b at seeds from 0 on."""
    pytest.importorskip("matplotlib")
    monkeypatch.setitem(EXPERIMENTS, "nasty", nasty())

    def make(*pairs, seconds=None, settings=SETTINGS):
        seeds = {seed: {"a": a, "b": b} for seed, (a, b) in enumerate(pairs)}
        return to_html({"nasty": {"settings": settings, "seeds": seeds}}, {"nasty": seconds or {}}, errors=NOT_RUN)

    return make


class Reader(html.parser.HTMLParser):
    """``pieces``: (text, the (tag, attributes) of all elements around it), in order; ``tags``: all that begin."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.pieces, self.tags, self.open = [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append((tag, dict(attributes)))

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop()[0] == tag

    def handle_data(self, data):
        self.pieces.append((data, list(self.open)))

    def of(self, name):
        """The (text, elements) within the element with this id."""
        return [(text, around) for text, around in self.pieces if any(a.get("id") == name for _, a in around)]


def keyed(pieces):
    """{key: its text}"""
    return {around[-1][1]["data-key"]: text for text, around in pieces if around and "data-key" in around[-1][1]}


# -- the numbers -------------------------------------------------------------------------------------------------------


def check_numbers(reader, name, verdict, seeds):
    """Every number of a card that has a key is that of the verdict, and every one of the verdict is there."""
    found = keyed(reader.of(name))
    wanted = {"word": verdict.word, "seeds": ", ".join(map(str, seeds))}
    for i, check in enumerate(verdict.checks):
        wanted[f"checks.{i}.worst"] = check.worst
        for side in ("at_least", "at_most"):
            if math.isfinite(getattr(check, side)) and (side == "at_least" or check.at_most != check.at_least):
                wanted[f"checks.{i}.{side}"] = getattr(check, side)
        if len(seeds) > 1:
            wanted |= {f"checks.{i}.values.{j}": value for j, value in enumerate(check.values)}
    assert found.keys() - {"seconds", "expected"} == wanted.keys()
    for key, value in wanted.items():
        text = found[key].replace("−", "-")
        same = text == value if isinstance(value, str) else float(text) == pytest.approx(value, rel=0.0051, nan_ok=True)
        assert same, (key, text, value)


# What a card says in words may have digits in
#   names and formulas: letters with digits behind (plain56, k2), sizes (3x3), powers (2^-L, 1/2^L, x^2), f(16),
#   settings (b=-6)
#   its condition, if the number is one of those measured, rounded
# and nowhere else but in the sentence and the sources, which are the article's, in the picture, and in commands.
NAMES = re.compile(
    r"(?<![\w.])([A-Za-z]\w*(\(\d+\)|\^-?\w+|=-?[\d.]*\d)?|\d+x\d+|(\d/)?\d\^-?\w+|1/sqrt\(\w+\)|\d/\d\b)"
)
NUMBER = re.compile(r"\d+(\.\d+)?(e-?\d+)?")
FREE = {"sentence", "source", "command"}


def typed(pieces, measured=()):
    """The numbers in a card that are typed, by the rule above."""
    found = []
    for text, around in pieces:
        classes = {word for _, attributes in around for word in attributes.get("class", "").split()}
        tags = {tag for tag, _ in around}
        if FREE & classes or {"svg", "code"} & tags or any("data-key" in attributes for _, attributes in around):
            continue
        numbers = [match[0] for match in NUMBER.finditer(NAMES.sub("", text))]
        in_condition = any(attributes.get("data-part") == "condition" for _, attributes in around)
        found += [number for number in numbers if not (in_condition and is_rounded(number, measured))]
    return found


def is_rounded(number, measured):
    """Whether a number of those measured, or its percentage, looks like this when it is rounded."""
    digits = len(number.partition(".")[2])
    return any(f"{abs(scale * value):.{digits}f}" == number for value in measured for scale in (1, 100))


def leaves(numbers):
    if isinstance(numbers, dict):
        numbers = numbers.values()
    elif not isinstance(numbers, (list, tuple)):
        return [float(numbers)]
    return list(itertools.chain.from_iterable(map(leaves, numbers)))


def test_every_number_is_that_of_the_json(page):
    pairs = [(0.75, -1.5), (1234.5, 0.25), (math.inf, 1e-7)]
    text = page(*pairs, seconds={0: {"seconds": 1.6}, 1: {"seconds": 60}})
    reader, numbers = Reader(text), [{"a": a, "b": b} for a, b in pairs]
    check_numbers(reader, "nasty", nasty().verdict(numbers), (0, 1, 2))
    assert keyed(reader.of("nasty"))["seconds"] == "62"
    assert typed(reader.of("nasty")) == []


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("plain56 against resnet20, 3x3, rk4, 2^-L, 1/2^L, x^2, R(16), 1/sqrt(L), b=-6", []),
        ("at 56 layers", ["56"]),
        ("0.98 of them", ["0.98"]),
        ("2 layers of plain20", ["2"]),
        ("1e-5", ["1e-5"]),
    ],
)
def test_a_typed_number_is_found(words, found):
    assert typed([(words, [("td", {})])]) == found
    assert typed([(words, [("td", {}), ("span", {"data-key": "seeds"})])]) == []


def test_a_condition_may_have_numbers_that_were_measured():
    condition = [("the first block costs 0.52, or 52 %, not 0.7", [("p", {"data-part": "condition"})])]
    assert typed(condition, measured=[0.5204]) == ["0.7"]


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_words_of_the_experiments_have_no_typed_numbers(name):
    """Those that do not depend on numbers; the others are read below, with the numbers that are committed."""
    words = "; ".join(EXPERIMENTS[name].breaks)
    assert typed([(words, [("p", {})])]) == []


@pytest.mark.parametrize("article", [e.claim.article for e in EXPERIMENTS.values()] + [e.article for e in ERRORS])
def test_every_claim_and_error_is_of_a_known_article(article):
    """The report groups by what stands before the comma."""
    assert article.split(",")[0] in ARTICLES


# -- what a card says --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pair", "word", "remarks"),
    [
        ((1.0, 0.0), "HOLDS", []),
        ((1.0, 2.0), "HOLDS WITH A CONDITION", ["Condition", "when the experiment was made"]),
        ((0.4, 0.0), "FAILS", ["when the experiment was made"]),
        ((math.nan, 0.0), "FAILS", ["when the experiment was made"]),
    ],
)
def test_a_verdict(page, pair, word, remarks):
    reader = Reader(page((1.0, 0.0), pair) if pair[1] <= 1 else page(pair))
    assert keyed(reader.of("nasty"))["word"] == word
    text = "".join(text for text, _ in reader.of("nasty"))
    for remark in ("Condition", "when the experiment was made"):
        assert (remark in text) == (remark in remarks)
    counts = {key: value for key, value in keyed(reader.pieces).items() if key.startswith("count.")}
    assert counts == {f"count.{w}": str(int(w == word)) for w in ("HOLDS", "HOLDS WITH A CONDITION", "FAILS")}


def test_a_claim_that_fails_as_expected_says_that_it_is_the_claim(page, monkeypatch):
    monkeypatch.setattr(EXPERIMENTS["nasty"].__class__, "expected", "FAILS")
    object.__setattr__(EXPERIMENTS["nasty"], "expected", "FAILS")
    assert "It is the claim that fails" in page((0.4, 0.0))
    assert "It is the claim that fails" not in page((1.0, 0.0))


def test_the_full_version_has_a_card_of_its_own(page):
    facts = lambda quick, a: {"settings": {"quick": quick}, "seeds": {0: {"a": a, "b": 0.0}}}
    small, full = {"nasty": facts(True, 1.0)}, {"nasty": facts(False, 0.25)}
    reader = Reader(to_html(small, {}, full, {"nasty": {0: {"seconds": 3600}}}, errors=NOT_RUN))
    for name, numbers in (("nasty", small), ("nasty-full", full)):
        check_numbers(reader, name, nasty().verdict(list(numbers["nasty"]["seeds"].values())), (0,))
    text = "".join(text for text, _ in reader.of("nasty-full"))
    assert "The verdict of the small version is HOLDS." in text and "--full" in text
    counts = {key: value for key, value in keyed(reader.pieces).items() if key.startswith("count.")}
    assert counts == {"count.HOLDS": "1", "count.HOLDS WITH A CONDITION": "0", "count.FAILS": "0"}
    names = [attributes["id"] for _, attributes in reader.tags if "id" in attributes]
    assert len(set(names)) == len(names)


def test_the_command_repeats_it(page):
    assert "<code>minires experiment run nasty --seeds 0,1</code>" in page((1, 0), (1, 0))
    assert "<code>minires experiment run nasty --seeds 0 --full</code>" in page((1, 0), settings={"quick": False})


def test_numbers_of_another_version_are_refused(page):
    with pytest.raises(
        StateError, match=r"numbers of nasty do not fit its verdict .*'a'.*minires experiment run nasty"
    ):
        to_html({"nasty": {"settings": SETTINGS, "seeds": {0: {"b": 1.0}}}}, {})


def test_what_was_not_measured_is_named(page):
    text = page((1, 0))
    (missing,) = re.findall(r"Not measured: (.*?)\.</p>", text)
    assert missing.split(", ") == [name for name in EXPERIMENTS if name != "nasty"]


def test_the_page_asks_nobody_and_texts_stay_texts(page):
    text = page((1, 2))
    assert "http" not in text.replace('http-equiv="Content-Security-Policy"', "")
    assert not re.search(r"@import|url\([^#]|fetch\(|XMLHttpRequest|WebSocket", text)
    reader = Reader(text)
    names = {name for _, attributes in reader.tags for name in attributes}
    assert not {name for name in names if name in ("src", "style", "srcset", "action") or name.startswith("on")}
    assert all(attributes.get("href", "#").startswith("#") for _, attributes in reader.tags)
    assert [tag for tag, _ in reader.tags].count("script") == 1 and "img" not in dict(reader.tags)
    assert sum(NASTY in piece for piece, _ in reader.pieces) >= 6


def test_errors_have_cards_with_what_they_print(page):
    pytest.importorskip("matplotlib")
    reader = Reader(to_html({}, {}, errors=QUICK))
    ran, told = ("".join(text for text, _ in reader.of(f"error-{number}")) for number in (19, 9))
    shown = QUICK[1]
    assert shown.says in ran and shown.right in ran and shown.code.strip() in ran and shown.output.strip() in ran
    assert QUICK[0].says in told and "Cannot be run: it is about what a paper says." in told


# -- the pictures ------------------------------------------------------------------------------------------------------


def test_a_picture_is_fit_for_a_page(page):
    one = picture(nasty(), [{"a": 1.0}, {"a": 2.0}], "nasty")
    assert one == picture(nasty(), [{"a": 1.0}, {"a": 2.0}], "nasty"), "the same bytes each time"
    assert "style=" not in one and "#000000" not in one and "<style" not in one and "currentColor" in one
    names = re.findall(r' id="([^"]*)"', one)
    assert names and len(set(names)) == len(names) and all(name.startswith("nasty-") for name in names)
    assert set(re.findall(r'(?:href="|url\()#([^")]*)', one)) == set(names)


# -- what is committed -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def committed():
    """(numbers of the folder that is committed, the page of them)"""
    pytest.importorskip("matplotlib")
    found = stored(COMMITTED) if COMMITTED.is_dir() else {}
    if not found:
        pytest.skip(f"no numbers in {COMMITTED}")
    return found, report(COMMITTED)


@pytest.mark.slow
def test_the_cards_of_the_committed_numbers(committed):
    found, text = committed
    reader = Reader(text)
    full = {f"{name}-full": facts for name, facts in stored(COMMITTED / "full").items()}
    for card, facts in (found | full).items():
        name, seeds = card.removesuffix("-full"), sorted(facts["seeds"])
        measured = [facts["seeds"][seed] for seed in seeds]
        verdict = EXPERIMENTS[name].verdict(measured)
        check_numbers(reader, card, verdict, seeds)
        values = leaves(measured) + [v for c in verdict.checks for v in (*c.values, c.at_least, c.at_most)]
        assert typed(reader.of(card), [v for v in values if math.isfinite(v)]) == [], name
        assert len(picture(EXPERIMENTS[name], measured, name)) < 60_000, name
    assert len(text.encode()) < 2_000_000


@pytest.mark.slow
def test_readers_see_the_committed_numbers(committed, tmp_path):
    check_in_browser(committed[1], tmp_path)


def test_readers_see_what_is_on_the_page(page, tmp_path):
    check_in_browser(page((1, 2), (2, 2)), tmp_path)


def check_in_browser(text, folder):
    node = shutil.which("node")
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if not node or not chromium:
        pytest.skip("needs node and chromium")
    found = subprocess.run([node, "-e", "require.resolve('playwright-core')"], cwd=BROWSER, capture_output=True)
    if found.returncode:
        pytest.skip("needs playwright-core: npm install playwright-core, and NODE_PATH set to its node_modules")
    (folder / "report.html").write_text(text, encoding="utf-8")
    script = Path(__file__).parent / "browser" / "check_report.mjs"
    command = [node, str(script), chromium, str(folder / "report.html")]
    run = subprocess.run(command, capture_output=True, text=True)
    assert (run.returncode, run.stdout) == (0, "4 views\n"), run.stderr[-3000:]
