"""What a stop of the step-through looks like: plain text of at most 80 columns."""

import textwrap
from itertools import combinations

import numpy as np

from .condition import measure
from .norms import cosine
from .said import fill, padded, said

WIDTH = 80
TREE = 9  # layers of the tree: with the prompt, a stop fits into 24 lines
ROWS, COLUMNS = 5, 7  # of the numbers of an array
MARK = {"forward": "->", "loss": "--", "backward": "<-"}
MEASURED = ("norm", "min", "max", "mean", "zeros")


def screen(stepper, full=False, language="en"):
    """The current stop of a :class:`~minires.trace.Stepper`: place, tree, arrays, at a fork in backward the sum.

    ``full`` adds the arrays that are not new here and a corner of the numbers of the newest one. language: "en" or "zh"
    """
    e = stepper.event
    lines = [title(stepper, e, language), *_meaning(stepper, e), "", *tree(stepper, language)]
    lines += table({name: array for name, array in e.arrays.items() if full or name in _news(e)}, language)
    if e.terms:
        lines += equation(e)
    if full:
        newest = [name for name in ("dx", "dy", "y", "x") if name in e.arrays][:1]
        lines += [line for name in newest for line in ("", *numbers(name, e.arrays[name]))]
    if stepper.error is not None:
        text = "{kind} here: {error}" if e.moment == "raise" else "{kind} at stop {last}, where the run ends: {error}"
        kind, last = type(stepper.error).__name__, len(stepper.events) - 1
        lines += ["", fill(said(language, text, kind=kind, last=last, error=stepper.error), WIDTH)]
    return "\n".join(lines)


def title(stepper, e, language="en"):
    """One event in one line: ``stop 57 of 97  <- backward: end of stage2.0.add (Residual)``."""
    last = len(stepper.events) - 1
    number = f"{e.index:>{len(str(last))}}"
    return (
        f"{said(language, 'stop {number} of {last}', number=number, last=last)}  {MARK[e.phase]} {e.in_words(language)}"
    )


def _news(e):
    """The names of the arrays that the stop is about."""
    return {"dy", "dx", *(f"d{name}" for name in e.grads)} if e.phase == "backward" else {"x", "y", "dx"}


def _meaning(stepper, e):
    """The first line of what the layer's class says about itself: mostly its equation."""
    docs = {path: doc for path, _, doc in stepper.outline if e.phase != "loss"}
    first = (docs.get(e.path) or "").strip().split("\n")[0]
    return [f"  {textwrap.shorten(first, WIDTH - 2, placeholder=' ...')}"] if first else []


def tree(stepper, language="en"):
    """The layers around the current one, marked, and the norms that layers have given so far: |y|, in backward |dx|."""
    e = stepper.event
    here = None if e.phase == "loss" else e.path
    norms = _norms(stepper)
    lines, kept, at = [], set(), 0
    for path, kind, _ in stepper.outline:
        if path and not _holds(path.rpartition(".")[0], here or ""):
            continue
        if path == here:
            at = len(lines)
        if _holds(path, here or ""):
            kept.add(len(lines))
        name = f"{'  ' * (path.count('.') + 1)}{path.rpartition('.')[2]}" if path else said(language, "the model")
        mark = MARK[e.phase] if path == here else ""
        lines.append(f"{mark:<3}{padded(name, 36)} {kind:<20} {norms.get(path, '')}".rstrip()[:WIDTH])
    if here is None:
        at = len(lines)
        lines.append(f"{MARK['loss']:<3}{e.path:<36} {e.kind:<20} {norms.get(e.path, '')}".rstrip()[:WIDTH])
    for i in sorted(range(len(lines)), key=lambda i: abs(i - at)):
        if len(kept) < TREE:
            kept.add(i)
    return _with_gaps(lines, kept)


def _norms(stepper):
    """{path: "|y| 1.234"} of the layers that have ended in the current direction."""
    backward = stepper.event.phase == "backward"
    name = "dx" if backward else "y"
    ended = {}
    for e in stepper.events[: stepper.index + 1]:
        if (e.phase == "backward") is backward and e.moment == "end":
            ended[e.path] = getattr(e, name)
    return {path: f"|{name}| {measure('norm', a):.4g}" for path, a in ended.items() if a is not None}


def _holds(path, other):
    """Whether ``other`` is the layer at ``path`` or lies inside it."""
    return not path or other == path or other.startswith(f"{path}.")


def _with_gaps(lines, kept):
    shown = []
    for i, line in enumerate(lines):
        if i in kept:
            shown.append(line)
        elif i - 1 in kept:
            shown.append("    ...")
    return shown


def table(arrays, language="en"):
    """A line for each array: shape, norm, least, largest and mean value, fraction of zeros, and what is not finite."""
    if not arrays:
        return []
    lines = [f"{'':<12}{'shape':<18}" + "".join(f"{name:>10}" for name in MEASURED)]
    for name, array in arrays.items():
        shape = "x".join(str(size) for size in array.shape) or said(language, "a number")
        values = [measure(m, array) for m in MEASURED]
        line = f"{name:<12}{shape:<18}" + "".join(f"{v:>10.3g}" for v in values[:-1]) + f"{values[-1]:>10.1%}"
        bad = measure("nonfinite", array)
        text = said(language, "{bad} of {size} entries are NaN or infinite", bad=int(bad), size=array.size)
        lines += [line] + [f"{'':<12}{text}"] * (bad > 0)
    return lines


def equation(e):
    """The sum at the end of a fork in backward, with the norm of each term and the cosine of each pair of them."""
    lines = [
        "dx = " + " + ".join(e.terms),
        "   ".join(f"|{name}| {measure('norm', a):.4g}" for name, a in {"dx": e.dx, **e.terms}.items()),
    ]
    with np.errstate(all="ignore"):
        lines += [f"cosine({a}, {b}) {cosine(e.terms[a], e.terms[b]):+.3f}" for a, b in combinations(e.terms, 2)]
    return lines


def numbers(name, array, place=()):
    """The first rows and columns of a plane of ``array``; ``place``: indices of the axes before the last two."""
    lead = max(array.ndim - 2, 0)
    place = (*place, *(0,) * (lead - len(place)))
    plane = np.atleast_2d(array[place])[:ROWS, :COLUMNS] if array.size else np.empty((0, 0))
    corner = [f":{n}" for n in plane.shape[2 - min(array.ndim, 2) :]]
    index = ", ".join([*map(str, place), *corner])
    return [f"{name}[{index}]" if index else name] + ["".join(f"{v:>11.4g}" for v in row) for row in plane]
