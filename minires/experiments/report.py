"""The report: one HTML file with a card for each claim, and the errors of the articles."""

import html
from importlib.resources import files
from pathlib import Path

from ..errors import StateError
from ..files import StrPath, self_contained
from .cards import KIND, claim_card, error_card
from .catalogue import EXPERIMENTS
from .errors import ERRORS
from .experiment import ARTICLES, CONDITION, FAILS, HOLDS
from .pictures import picture
from .store import stored, times

PAGE = """<main>
<header>
<h1>Residual networks: what is claimed, and what is measured</h1>
<p>Every claim is an experiment of minires: a measurement, and a criterion that it can miss at any seed. The sentences
are those of the claims; what fails here is the claim, as it was made, and not its experiment.</p>
<ul class="tiles">{tiles}<li><a href="#errors"><b>{number}</b> <span>errors of the articles</span>
<small>what is right instead, and lines that show it</small></a></li></ul>
<label class="filter" hidden>Show what has the word <input type="search">
<span class="none" hidden>nothing has it</span></label>
</header>
<nav>{contents}</nav>
<section><h2 id="claims">The claims</h2>{claims}</section>
<section><h2 id="errors">The {number} errors of the articles</h2>
<p>What an article says, what is right, and lines that anybody can run, with what they print: they end with an error
where they do not find it.</p>{errors}</section>
</main>"""
FULL = "-full"  # behind the name of a card
MEANING = {
    HOLDS: "every number is within its bounds at every seed",
    CONDITION: "so it is, under a condition that the claim does not name",
    FAILS: "a number is not: this is not what happens",
}


def report(out: StrPath = "experiments") -> str:
    """The page, as text, of the numbers in the folder ``out``: nothing is measured anew; the errors run, in some 20 s.

    Raises what :func:`~minires.experiments.stored` raises, and StateError where there are no numbers, or no matplotlib.
    """
    found = stored(out)
    if not found.keys() & EXPERIMENTS.keys():
        raise StateError(f"{out} has no numbers of experiments, expected some: minires experiment run all --out {out}")
    full = Path(out).expanduser() / "full"
    return to_html(found, times(out), stored(full), times(full))


def to_html(found, seconds, full=(), full_seconds=(), errors=ERRORS):
    """The page, as text, of what ``stored`` and ``times`` give. It makes no request, and its policy forbids any.

    full, full_seconds: the same of the full version, whose cards stand behind those of the small one
    """
    verdicts, cards, rows = {}, {}, {}
    for version, numbers, spent in ((FULL, dict(full), dict(full_seconds)), ("", found, seconds)):
        for name in (name for name in EXPERIMENTS if name in numbers):
            verdicts[name], card = _card(EXPERIMENTS[name], version, numbers[name], spent.get(name, {}))
            cards[name] = card + cards.get(name, "")
            rows[name] = _row(name, version, verdicts[name].word) + rows.get(name, "")
    words = [verdict.word for verdict in verdicts.values()]  # of the small version, where there is one
    body = PAGE.format(
        tiles="".join(_tile(word, words.count(word)) for word in KIND),
        contents=_contents(rows),
        claims="".join(_group(article, [cards[name] for name in names]) for article, names in _articles(cards)),
        number=len(errors),
        errors="\n".join(error_card(error) for error in errors),
    )
    return self_contained("minires: claims about residual networks", _read("page.css"), body, _read("page.js"))


def _card(experiment, version, found, times):
    seeds = sorted(found["seeds"])
    verdict, svg = _judged(experiment, [found["seeds"][seed] for seed in seeds], experiment.name + version)
    spent = [time["seconds"] for seed, time in times.items() if seed in seeds]
    total = sum(spent) if spent else None
    return verdict, claim_card(experiment, verdict, seeds, found["settings"], total, svg, experiment.name + version)


def _judged(experiment, measured, name):
    """The verdict and the picture."""
    try:
        return experiment.verdict(measured), picture(experiment, measured, name)
    except (LookupError, TypeError, ValueError) as error:
        raise StateError(
            f"the numbers of {experiment.name} do not fit its verdict ({error!r}), expected those of this version: "
            f"minires experiment run {experiment.name}"
        ) from error


def _tile(word, count):
    number = f'<b class="num" data-key="count.{word}">{count}</b>'
    return f'<li class="{KIND[word]}">{number} <span>{word}</span> <small>{MEANING[word]}</small></li>'


def _articles(names):
    """(article, names of its experiments): of ``claim.article`` what stands before the first comma."""
    groups = {article: [] for article in ARTICLES}
    for name in names:
        groups.setdefault(EXPERIMENTS[name].claim.article.split(",")[0], []).append(name)
    return [(article, names) for article, names in groups.items() if names]


def _group(article, cards):
    return f'<section data-group><h2 class="article">{html.escape(article)}</h2>{"".join(cards)}</section>'


def _contents(rows):
    groups = ""
    for article, names in _articles(rows):
        listed = "".join(rows[name] for name in names)
        groups += f"<div data-group><h2>{html.escape(article)}</h2><ul>{listed}</ul></div>"
    missing = ", ".join(name for name in EXPERIMENTS if name not in rows)
    return groups + (f'<p class="facts">Not measured: {html.escape(missing)}.</p>' if missing else "")


def _row(name, version, word):
    words = name.replace("_", " ") + (", full version" if version else "")
    return (
        f'<li data-filter><a href="#{html.escape(name + version)}"><span class="word {KIND[word]}">{word}</span> '
        f"<b>{html.escape(words)}</b> <span>{html.escape(EXPERIMENTS[name].claim.sentence)}</span></a></li>"
    )


def _read(name):
    return files(__package__).joinpath(name).read_text(encoding="utf-8")
