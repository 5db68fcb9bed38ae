"""minires experiment."""

import sys
import textwrap
from pathlib import Path
from typing import Annotated, Literal

import tyro
from tqdm import tqdm

from .. import experiments
from ..errors import RangeError
from ..files.whole import check_writable, write_atomically
from .common import FAILED, Json, Number, Switch, print_json
from .signals import ending_in_order
from .terminal import width

Names = Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="[NAME ...]")]
Seeds = Annotated[str, tyro.conf.arg(metavar="INT,...")]
Weights = Annotated[str | None, tyro.conf.arg(metavar="FILE")]
Folder = Annotated[str, tyro.conf.arg(metavar="DIR")]
INDENT = " " * 4


def experiment(
    what: Annotated[Literal["list", "run", "report", "errors"], tyro.conf.Positional],
    names: Names = (),
    *,
    seeds: Seeds = "0,1,2",
    full: Switch = False,
    out: Folder = "experiments",
    data_dir: str = "data",
    weights: Weights = None,
    engine: Literal["compiled", "reference"] = "compiled",
    jobs: Number = None,
    as_json: Json = False,
) -> int | None:
    """Measure whether what the articles say of residual networks holds: list the claims, or run some or all of them.

    "report" puts a page with a card for each claim, report.html, beside the numbers; "errors" shows the 24 errors of
    the articles, each with lines that run.

    Exit code 1 if a verdict is not the one that is known, or a measurement fails.

    For example: minires experiment run ode_order --seeds 0,1,2

    Args:
        what: List the experiments, run them, make the page of what was measured, or show the errors of the articles.
        names: Of the experiments to run, or all; numbers of errors.
        seeds: Each is measured at these, and a claim must hold at each.
        full: More draws and epochs, and real data where an experiment has them: minutes to an hour each.
        out: Folder for the numbers. Those that are there are not measured again.
        data_dir: Folder of the data sets for --full.
        weights: File of the published weights that an experiment takes with --full.
        engine: The engine, or the layers as they are written.
        jobs: Measurements at once; one for each core by default.
    """
    if what == "list":
        return _list(as_json)
    if what == "report":
        return _write_report(names, out, as_json)
    if what == "errors":
        return _show_errors(names, as_json)
    if not names:
        raise RangeError("run needs names of experiments, or all: minires experiment run all")
    names = tuple(experiments.EXPERIMENTS) if names == ("all",) else names
    numbers = _integers(seeds)
    with ending_in_order(), Bar() as bar:
        how = {
            "quick": not full,
            "engine": engine,
            "jobs": jobs,
            "progress": bar.show,
            "data_dir": data_dir,
            "weights": weights,
        }
        try:
            failed = experiments.run(names, numbers, out, **how)
        except (KeyboardInterrupt, SystemExit):
            print(f"what is measured stays in {out}: the same command goes on", file=sys.stderr)
            raise
    return _report(names, experiments.judge(out, names, numbers), failed, as_json)


class Bar:
    """What is going on, on standard error: a bar on a terminal, elsewhere a line for each measurement."""

    def __init__(self):
        self.bar = None

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        if self.bar is not None:
            self.bar.close()

    def show(self, at):
        if self.bar is None:
            self.bar = tqdm(total=at.total, disable=None, leave=False)  # on a terminal only
        line = f"{at.name} at seed {at.seed}: {at.words}"
        if self.bar.disable:
            if at.finished:
                print(f"{at.done}/{at.total} {line}", file=sys.stderr, flush=True)
            return
        if at.finished:
            self.bar.update()
        self.bar.set_postfix_str(line[: max(0, width(100) - 50)])


def _list(as_json):
    claims = {
        name: {
            "sentence": one.claim.sentence,
            "article": one.claim.article,
            "paper": one.claim.paper,
            "expected": one.expected,
        }
        for name, one in experiments.EXPERIMENTS.items()
    }
    if as_json:
        return print_json(experiments=claims)
    for name, claim in claims.items():
        print(f"{name:<24} {claim['expected']}")
        for text in (claim["sentence"], f"{claim['article']}; {claim['paper']}"):
            print(textwrap.fill(text, width(100), initial_indent=INDENT, subsequent_indent=INDENT))
    print("for example: minires experiment run ode_order")


def _write_report(names, out, as_json):
    if names:
        raise RangeError(f"report got {' '.join(names)}, expected no names: it has all that was measured in --out")
    path = str(Path(out) / "report.html")
    if Path(out).is_dir():  # otherwise there are no numbers, which the report says
        check_writable(path)
    page = experiments.report(out).encode()
    write_atomically(path, page)
    return print_json(report=path) if as_json else print(f"page of the claims: {path}")


def _show_errors(names, as_json):
    known = {str(error.number): error for error in experiments.ERRORS}
    if other := [name for name in names if name not in known]:
        raise RangeError(f"no error has the number {other[0]!r}, expected some of 1 to {len(known)}")
    shown = [known[name] for name in names or known]
    if as_json:
        return print_json(errors=[error.facts() for error in shown])
    for error in shown:
        print(f"{error.number}. {error.article}")
        for title, text in (("says", error.says), ("right", error.right)):
            print(textwrap.fill(f"{title}: {text}", width(100), initial_indent=INDENT, subsequent_indent=INDENT))
        if error.snippet:
            print(textwrap.indent(f"\n{error.code}\n{error.output}", INDENT))
        else:
            print(f"{INDENT}cannot be run: {error.because}\n")


def _report(names, verdicts, failed, as_json):
    expected = {name: experiments.EXPERIMENTS[name].expected for name in names}
    errors = {name: {seed: words for (of, seed), words in failed.items() if of == name} for name in names}
    if as_json:
        print_json(experiments={name: _facts(verdicts.get(name), expected[name], errors[name]) for name in names})
    else:
        for name in names:
            _print(name, verdicts.get(name), expected[name], errors[name])
    return FAILED if failed or any(verdicts[name].word != expected[name] for name in names) else None


def _facts(verdict, expected, errors):
    facts = {"verdict": None, "expected": expected, "errors": errors}
    if verdict is not None:
        checks = [
            {"what": c.what, "found": c.worst, "criterion": c.criterion, "holds": c.holds} for c in verdict.checks
        ]
        facts |= {"verdict": verdict.word, "condition": verdict.condition, "checks": checks}
    return facts


def _print(name, verdict, expected, errors):
    for seed, words in errors.items():
        print(f"minires: {name} failed at seed {seed}: {words}", file=sys.stderr)
    if verdict is None:
        return
    print(f"{name:<24} {verdict.word}" + ("" if verdict.word == expected else f", expected {expected}"))
    if verdict.condition:
        print(textwrap.fill(verdict.condition, width(100), initial_indent=INDENT, subsequent_indent=INDENT))
    for check in verdict.checks:
        line = f"{check.what}: {check.worst:.3g}, criterion {check.criterion}" + ("" if check.holds else ": MISSED")
        print(textwrap.fill(line, width(100), initial_indent=INDENT, subsequent_indent=2 * INDENT))


def _integers(text):
    try:
        return tuple(int(word) for word in text.split(","))
    except ValueError as error:
        raise RangeError(f"seeds is {text!r}, expected integers with commas between: --seeds 0,1,2") from error
