"""What an audit found, in words."""

import math
import textwrap

from .norms import ratio
from .records import PLAIN

IDENTITY, WIDTH = "dL/dx_l = dL/dx_L (1 + sum dF/dx_l)", 80
HANGING = {"initial_indent": "  ", "subsequent_indent": "  "}
WITHOUT_WEIGHTS = {"Subsample", "PadChannels", "AvgPool2d", "MaxPool2d", "Concat"}


def as_audit(found, width=math.inf):
    """An :class:`~minires.trace.Audit` in words: where the identity holds, what breaks it where, what travels.

    width: columns that there are; paragraphs take no more than 80 of them.
    """
    parts = [_where_it_holds(found), _what_it_is_worth(found)]
    lines = [textwrap.fill(part, min(width, WIDTH)) for part in parts if part]
    if not found.holds:
        lines.append("What breaks it:")
    for alike, breaks in _alike(found):
        places = f"{', '.join(_runs(found.paths, alike)) or 'the model'}:"
        lines.append(textwrap.fill(places, min(width, WIDTH), **HANGING))
        for b in breaks:
            lines += [f"      {b.path or 'the model'} ({b.kind}), {b.where}:", f"          {b.why}"]
    lines += [textwrap.fill(part, min(width, WIDTH)) for part in (_shortcuts_alone(found), _on_the_trunk(found))]
    return "\n".join(_folded(line, width) for line in lines)


def _folded(line, width):
    """A line with an indent, or a paragraph that has its width already."""
    if "\n" in line or len(line) <= width:
        return line
    indent = " " * (len(line) - len(line.lstrip()))
    return textwrap.fill(line.strip(), width, initial_indent=indent, subsequent_indent=indent)


def _where_it_holds(found):
    n, good = len(found.paths), sum(v.holds for v in found.verdicts)
    pairs = f"the {len(found.verdicts)} pairs l < L of {n} blocks"
    if found.holds:
        return f"{IDENTITY} holds for all of {pairs}."
    if all(b.kind == PLAIN for breaks in found.breaks for b in breaks):
        return f"{IDENTITY} says nothing of a plain network: no shortcut leads around its {n} blocks."
    if not good:
        return f"{IDENTITY} holds for none of {pairs}: each of them breaks it."
    runs = _runs(found.paths, [i for i, breaks in enumerate(found.breaks) if not breaks])
    return f"{IDENTITY} holds inside {', '.join(runs)}: for {good} of {pairs}."


def _alike(found):
    """Yield (numbers of the blocks, breaks) for the blocks that the same things break, by the first of them."""
    groups = {}
    for i, breaks in enumerate(found.breaks):
        if breaks:
            groups.setdefault(tuple((b.kind, b.place, b.why) for b in breaks), []).append(i)
    return [(numbers, found.breaks[numbers[0]]) for numbers in groups.values()]


def _runs(paths, numbers):
    """ "stage1.0 to stage1.2" for blocks that follow each other."""
    runs, start = [], 0
    for k in range(1, len(numbers) + 1):
        if k == len(numbers) or numbers[k] != numbers[k - 1] + 1:
            first, last = paths[numbers[start]], paths[numbers[k - 1]]
            runs.append(first if first == last else f"{first} to {last}")
            start = k
    return runs


def _what_it_is_worth(found):
    if not any(v.holds for v in found.verdicts):
        return ""
    return (
        "Where it holds, the gradient behind a block arrives before it unchanged, whatever the weights are, and the "
        "branches add to it: a branch that passes nothing cannot stop it."
    )


def _shortcuts_alone(found):
    whole = found.verdict(0, len(found.paths))
    grown = f"|g_0| is {found.growth:.3g} times |g_L|"
    if not whole.ratio > 0:
        return f"No gradient comes around the layers: {grown}, and all of it went through every block."
    kinds = dict.fromkeys(b.kind for b in whole.breaks)
    if set(kinds) <= WITHOUT_WEIGHTS:
        what = "does not make the gradient large: it keeps a way open that no weight can close."
    else:
        what = f"is gone from this way, which leads through {', '.join(kinds)}: what passes depends on the weights."
    return (
        f"From the last block to the first, shortcuts alone bring {whole.ratio:.4g} of |g_L|, in "
        f"{1 - whole.zeroed:.1%} of the entries. {grown}, so that is {ratio(whole.ratio, found.growth):.1%} of it; the "
        f"rest came through branches. The 1 {what}"
    )


def _on_the_trunk(found):
    (first, *_, last), below = found.levels, [level.negative for level in found.levels]
    seen = [path for level in found.levels for path in level.unnormalised]
    sign = f"{min(below):.0%} to {max(below):.0%} of its entries are negative" if max(below) else "none is negative"
    if all(level.only_adds for level in found.levels[:-1]):
        sign = "none of its entries is negative, for every branch ends in a ReLU and can only add"
    named = ", ".join(seen[:3]) + (", ..." if len(seen) > 3 else "")
    head = ", the head too" if found.levels[-1].unnormalised else ""
    weights = f"Weight layers that see it without a normalisation: {len(seen)} ({named}){head}."
    weights = weights if seen else "Every weight layer sees it normalised, the head too."
    return f"On the trunk x_l goes from {first.rms:.3g} to {last.rms:.3g} (root mean square); {sign}. {weights}"
