"""What an audit found, in words."""

import math

from .norms import ratio
from .records import PLAIN
from .said import columns, fill, said

IDENTITY, WIDTH = "dL/dx_l = dL/dx_L (1 + sum dF/dx_l)", 80
HANGING = {"initial_indent": "  ", "subsequent_indent": "  "}
WITHOUT_WEIGHTS = {"Subsample", "PadChannels", "AvgPool2d", "MaxPool2d", "Concat"}


def as_audit(found, width=math.inf, language="en"):
    """An :class:`~minires.trace.Audit` in words: where the identity holds, what breaks it where, what travels.

    width: columns that there are; paragraphs take no more than 80 of them   language: "en" or "zh"
    """
    model = said(language, "the model")
    parts = [_where_it_holds(found, language), _what_it_is_worth(found, language)]
    lines = [fill(part, min(width, WIDTH)) for part in parts if part]
    if not found.holds:
        lines.append(said(language, "What breaks it:"))
    for alike, breaks in _alike(found):
        places = f"{', '.join(_runs(found.paths, alike, language)) or model}:"
        lines.append(fill(places, min(width, WIDTH), **HANGING))
        for b in breaks:
            facts = {"path": b.path or model, "kind": b.kind, "where": said(language, b.where)}
            lines += [
                f"      {said(language, '{path} ({kind}), {where}:', **facts)}",
                f"          {said(language, b.why)}",
            ]
    parts = _shortcuts_alone(found, language), _on_the_trunk(found, language)
    lines += [fill(part, min(width, WIDTH)) for part in parts]
    return "\n".join(_folded(line, width) for line in lines)


def _folded(line, width):
    """A line with an indent, or a paragraph that has its width already."""
    if "\n" in line or columns(line) <= width:
        return line
    indent = " " * (len(line) - len(line.lstrip()))
    return fill(line.strip(), width, initial_indent=indent, subsequent_indent=indent)


def _where_it_holds(found, language):
    facts = {"n": len(found.paths), "good": sum(v.holds for v in found.verdicts), "pairs": len(found.verdicts)}
    if found.holds:
        text = "holds for all of the {pairs} pairs l < L of {n} blocks."
    elif all(b.kind == PLAIN for breaks in found.breaks for b in breaks):
        text = "says nothing of a plain network: no shortcut leads around its {n} blocks."
    elif not facts["good"]:
        text = "holds for none of the {pairs} pairs l < L of {n} blocks: each of them breaks it."
    else:
        text = "holds inside {runs}: for {good} of the {pairs} pairs l < L of {n} blocks."
        runs = _runs(found.paths, [i for i, breaks in enumerate(found.breaks) if not breaks], language)
        facts["runs"] = ", ".join(runs)
    return f"{IDENTITY} {said(language, text, **facts)}"


def _alike(found):
    """Yield (numbers of the blocks, breaks) for the blocks that the same things break, by the first of them."""
    groups = {}
    for i, breaks in enumerate(found.breaks):
        if breaks:
            groups.setdefault(tuple((b.kind, b.place, b.why) for b in breaks), []).append(i)
    return [(numbers, found.breaks[numbers[0]]) for numbers in groups.values()]


def _runs(paths, numbers, language):
    """ "stage1.0 to stage1.2" for blocks that follow each other."""
    runs, start = [], 0
    for k in range(1, len(numbers) + 1):
        if k == len(numbers) or numbers[k] != numbers[k - 1] + 1:
            first, last = paths[numbers[start]], paths[numbers[k - 1]]
            runs.append(first if first == last else said(language, "{first} to {last}", first=first, last=last))
            start = k
    return runs


def _what_it_is_worth(found, language):
    if not any(v.holds for v in found.verdicts):
        return ""
    return said(
        language,
        "Where it holds, the gradient behind a block arrives before it unchanged, whatever the weights are, and the "
        "branches add to it: a branch that passes nothing cannot stop it.",
    )


def _shortcuts_alone(found, language):
    whole = found.verdict(0, len(found.paths))
    grown = said(language, "|g_0| is {growth:.3g} times |g_L|", growth=found.growth)
    if not whole.ratio > 0:
        text = "No gradient comes around the layers: {grown}, and all of it went through every block."
        return said(language, text, grown=grown)
    kinds = dict.fromkeys(b.kind for b in whole.breaks)
    text = "The 1 is gone from this way, which leads through {kinds}: what passes depends on the weights."
    if set(kinds) <= WITHOUT_WEIGHTS:
        text = "The 1 does not make the gradient large: it keeps a way open that no weight can close."
    what = said(language, text, kinds=", ".join(kinds))
    return said(
        language,
        "From the last block to the first, shortcuts alone bring {alone:.4g} of |g_L|, in {entries:.1%} of the "
        "entries. {grown}, so that is {part:.1%} of it; the rest came through branches. {what}",
        alone=whole.ratio,
        entries=1 - whole.zeroed,
        grown=grown,
        part=ratio(whole.ratio, found.growth),
        what=what,
    )


def _on_the_trunk(found, language):
    (first, *_, last), below = found.levels, [level.negative for level in found.levels]
    seen = [path for level in found.levels for path in level.unnormalised]
    text = "{least:.0%} to {most:.0%} of its entries are negative" if max(below) else "none is negative"
    if all(level.only_adds for level in found.levels[:-1]):
        text = "none of its entries is negative, for every branch ends in a ReLU and can only add"
    sign = said(language, text, least=min(below), most=max(below))
    weights = "Weight layers that see it without a normalisation: {count} ({named}){head}."
    return said(
        language,
        "On the trunk x_l goes from {first:.3g} to {last:.3g} (root mean square); {sign}. {weights}",
        first=first.rms,
        last=last.rms,
        sign=sign,
        weights=said(
            language,
            weights if seen else "Every weight layer sees it normalised, the head too.",
            count=len(seen),
            named=", ".join(seen[:3]) + (", ..." if len(seen) > 3 else ""),
            head=said(language, ", the head too") if found.levels[-1].unnormalised else "",
        ),
    )
