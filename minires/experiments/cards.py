"""The cards of the report, as HTML. Numbers stand in elements with a ``data-key``, formatted from what was measured."""

import html
import math

from .experiment import CONDITION, FAILS, HOLDS

KIND = {HOLDS: "holds", CONDITION: "condition", FAILS: "fails"}
TRACES = {  # the page to step through that shows what an experiment measures
    "one_plus": "minires trace --model resnet20 --block full_preact --html page.html",
    "path_lengths": "minires trace --model resnet56 --block full_preact --html page.html",
    "lesions": "minires trace --model resnet56 --against plain20 --html page.html",
}
CARD = """<article class="card {kind}" id="{name}" data-filter>
<h3><span class="word" data-key="word">{word}</span> <q class="sentence">{sentence}</q></h3>
<p class="source">{article} · {paper}</p>
{remarks}<div class="columns"><figure>{picture}</figure>
<div><table class="checks">
<thead><tr><th>measured</th><th>worst seed<small>each seed</small></th><th>must be</th></tr></thead>
<tbody>{checks}</tbody></table>
<p class="breaks">Sabotage that turns the verdict: {breaks}.</p>{trace}
<p class="facts">{facts}</p>
<pre class="command"><code>{command}</code></pre></div></div>
</article>"""
CHECK = (
    '<tr class="{passed}"><th>{what}</th><td>{found}<small>{seeds}</small></td><td>{bounds}</td></tr>'  # a mark by CSS
)
ERROR = """<article class="card error" id="error-{number}" data-filter>
<h3><span class="word">{number}</span> <q class="sentence">{says}</q></h3>
<p class="source">{article}</p>
<p class="right"><b>Right:</b> {right}</p>
{shown}</article>"""


def claim_card(experiment, verdict, seeds, settings, seconds, svg, name):
    """The card of one experiment.

    seeds: which were measured   settings: of the measurement (quick, engine)   seconds: of all seeds, or None
    name: of the card
    """
    claim = experiment.claim
    quick = settings["quick"]
    facts = [f"seeds {_number('seeds', ', '.join(map(str, seeds)))}", "quick version" if quick else "full version"]
    facts += [f"{_number('seconds', f'{seconds:.0f}')} s"] if seconds is not None else []
    command = (
        f"minires experiment run {experiment.name} --seeds {','.join(map(str, seeds))}{'' if quick else ' --full'}"
    )
    trace = f"<p>Step through it: <code>{TRACES[experiment.name]}</code></p>" if experiment.name in TRACES else ""
    return CARD.format(
        kind=KIND[verdict.word],
        name=html.escape(name),
        word=verdict.word,
        sentence=html.escape(claim.sentence),
        article=html.escape(claim.article),
        paper=html.escape(claim.paper),
        remarks="".join(_remarks(experiment, verdict, quick)),
        picture=svg,
        checks="".join(_check(i, check) for i, check in enumerate(verdict.checks)),
        breaks=html.escape("; ".join(experiment.breaks)),
        trace=trace,
        facts=" · ".join(facts),
        command=html.escape(command),
    )


def _remarks(experiment, verdict, quick):
    if verdict.word == FAILS and experiment.expected == FAILS:
        yield '<p class="remark">It is the claim that fails: minires measures this every time, and expects it.</p>\n'
    if verdict.condition:
        yield f'<p class="remark" data-part="condition"><b>Condition:</b> {html.escape(verdict.condition)}</p>\n'
    if verdict.word != experiment.expected:
        expected = _number("expected", experiment.expected)
        here = f"The verdict was {expected} when the experiment was made: what differs?"
        if not quick:
            here = f"The verdict of the small version is {expected}."
        yield f'<p class="remark other">{here}</p>\n'


def _check(i, check):
    worst, values = _shown(f"checks.{i}.worst", check.worst), check.values
    each = " · ".join(_shown(f"checks.{i}.values.{j}", value) for j, value in enumerate(values))
    return CHECK.format(
        passed="passed" if check.holds else "missed",
        what=html.escape(check.what),
        found=worst,
        seeds=each if len(values) > 1 else "",
        bounds=_bounds(i, check),
    )


def _bounds(i, check):
    low, high = (_shown(f"checks.{i}.{side}", getattr(check, side)) for side in ("at_least", "at_most"))
    if check.at_least == check.at_most:
        return f"exactly {low}"
    if check.at_most == math.inf:
        return f"at least {low}"
    return f"at most {high}" if check.at_least == -math.inf else f"{low} to {high}"


def _shown(key, value):
    return _number(key, f"{value:.3g}".replace("-", "−"))


def _number(key, text):
    return f'<span class="num" data-key="{key}">{html.escape(text)}</span>'


def error_card(error):
    """The card of one of the errors of the articles. Runs its snippet."""
    if error.snippet:
        code, output = html.escape(error.code.strip()), html.escape(error.output.strip())
        shown = f'<pre><code>{code}</code></pre>\n<pre class="output"><samp>{output}</samp></pre>\n'
    else:
        shown = f'<p class="facts">Cannot be run: {html.escape(error.because)}.</p>\n'
    return ERROR.format(
        number=error.number,
        says=html.escape(error.says),
        article=html.escape(error.article),
        right=html.escape(error.right),
        shown=shown,
    )
