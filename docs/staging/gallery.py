"""The experiments as a page: each claim with its verdict, from the numbers that were measured."""

from pathlib import Path

from minires.experiments import EXPERIMENTS, stored
from minires.experiments.experiment import CONDITION, FAILS, HOLDS

RESULTS = Path(__file__).parents[2] / "bench" / "results" / "experiments"
# classes of the marks, whose words the style sheet has in both languages: so the sentence is one message to translate
KIND = {HOLDS: "holds", CONDITION: "condition", FAILS: "fails"}


def verdicts():
    """{name: verdict} of all that is measured, in the order of the catalogue."""
    found = stored(RESULTS)
    measured = {name: found[name]["seeds"] for name in EXPERIMENTS if name in found}
    return {
        name: EXPERIMENTS[name].verdict([seeds[seed] for seed in sorted(seeds)]) for name, seeds in measured.items()
    }


def pages(language):
    """{name of the file: text}"""
    articles = {}
    for name, verdict in verdicts().items():
        claim = EXPERIMENTS[name].claim
        mark = f'<span class="verdict {KIND[verdict.word]}"></span>'
        line = f"* {mark} {claim.sentence} <a href=\"report.html#{name}\">↗</a>"
        articles.setdefault(claim.article.split(",")[0], []).append(line)
    sections = [f"## {article[0].upper()}{article[1:]}\n\n" + "\n".join(lines) for article, lines in articles.items()]
    return {"gallery.md": HEAD + "\n\n".join(sections) + "\n"}


HEAD = """# Experiments

What articles say of residual networks, claim by claim: measured at several seeds, held against a criterion that can be
missed, and broken on purpose to show that it can. What fails here is the claim as it was made, not its experiment.
The whole report, with pictures, numbers and the 24 errors of the articles: <a href="report.html">report.html</a>.

Run one yourself: `minires experiment run one_plus`; all of them: `minires experiment run all`.

"""
