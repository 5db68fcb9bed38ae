"""What can be said of a wrong output that no planted mistake explains."""

import copy
import re
from collections import Counter
from dataclasses import dataclass

import numpy as np

from .observe import Raised, is_term, same


@dataclass(frozen=True)
class Finding:
    """kind: a key of the sentences in words.py   output: "dx", "dgamma", ...   detail: fills the sentence"""

    kind: str
    output: str
    detail: str = ""


def general(lab, found, left):
    """The findings for ``left``, a set of (train, name), each output once: what is changed first, which is a cause of
    others, then what is in training. What has raised is in :func:`raising`."""
    findings = []
    untwisted = lab.twist and lab.twist.untwisted
    for train, name in sorted(left, key=_order):
        first = name.removeprefix("twice ")
        if any(f.output == first for f in findings) or name == "raised":
            continue
        rows = [(cell, shown) for cell, shown in zip(lab.cells, found) if cell.train == train]
        rows = [
            (cell, shown) for cell, shown in rows if name in cell.right and (name in shown or "raised" not in shown)
        ]
        rows = [(cell, shown) for cell, shown in rows if not isinstance(shown.get(name), Raised)]
        if all(same(cell.right[name], shown.get(name)) for cell, shown in rows):  # wrong only where it has raised
            continue
        if name.startswith("keeps "):
            one = Finding("changes", name.removeprefix("keeps "))
        elif name.startswith("twice "):
            one = Finding("twice", first)
        else:
            one = _of_array(rows, name, train, untwisted)
            one = _by_mode(lab, found, name, train) or one if one.kind == "wrong" else one
        findings += [one] if one not in findings else []  # in both modes
    return findings


def raising(found, outputs):
    """A finding for each function that raised, with what it said first; one for what gives no answer any more.

    outputs: what is looked at, "raised" or a term
    """
    first, times = {}, Counter()
    for shown in found:
        for said in map(shown.get, outputs):
            if isinstance(said, Raised):
                key = "" if said.ended else said.by
                first.setdefault(key, said)
                times[key] += 1
    always: dict = {}  # {text without its line: lines, which two functions may have}
    for key, said in first.items():
        if said.ended or times[key] == len(found):
            placed = re.fullmatch(r"(.*) \(line (\d+)\)", said, re.DOTALL)
            always.setdefault(placed[1] if placed else str(said), []).append(placed[2] if placed else "")
    for text, lines in always.items():
        where = f" (line{'s' * (len(lines) > 1)} {', '.join(lines)})" if lines[0] else ""
        yield Finding("raised", "", text + where)
    for key, said in first.items():
        if not said.ended and times[key] < len(found):
            yield Finding("raises", key, f"{said} on {times[key]} of {len(found)}")


def _order(key):
    train, name = key
    return not name.startswith("keeps "), name.startswith("twice "), not train, name


def _by_mode(lab, found, name, train):
    """Whether it is wrong in this mode only, if there are two."""
    others = [(cell, shown) for cell, shown in zip(lab.cells, found) if cell.train != train and name in cell.right]
    if others and all(same(cell.right[name], shown.get(name)) for cell, shown in others):
        return Finding("mode", name, "training" if train else "evaluation")
    return None


def _of_array(rows, name, train, untwisted=None):
    pairs = [(cell.right[name], shown.get(name), cell) for cell, shown in rows]
    for _, mine, _ in pairs:
        if not isinstance(mine, np.ndarray):
            return Finding("kind", name, str(mine))
    other = _exchanged(rows, name)
    if other:
        return Finding("exchanged", name, other)
    if untwisted and all(same(mine, cell.of(untwisted).get(name)) for _, mine, cell in pairs):
        return Finding("untwisted", name)
    if _unmoved(pairs, name):
        return Finding("unmoved inside" if "." in name else "unmoved", name)
    if name == "dx" and all(same(mine, cell.dy) for _, mine, cell in pairs):
        return Finding("dy", name)
    for right, mine, _ in pairs:
        if mine.shape != right.shape:
            return Finding("shape", name, f"{mine.shape} for {right.shape}")
        if np.isfinite(right).all() and not np.isfinite(mine).all():
            return Finding("nan", name)
    pairs = [pair for pair in pairs if np.isfinite(pair[0]).all()]
    if not any(mine.any() for _, mine, _ in pairs):
        return Finding("zeros", name)
    if name == "y" and all(same(mine, cell.x) for _, mine, cell in pairs):
        return Finding("copy", name)
    factor = _factor(pairs)
    if factor:
        return Finding("factor", name, factor)
    return (_terms(pairs, train) if name == "dx" else None) or Finding("wrong", name)


def _unmoved(pairs, name):
    """Whether it is a buffer that keeps the value from before the call."""
    before = [dict(cell.layer.tensors()).get(name) for _, _, cell in pairs]
    return all(old is not None and same(mine, old.data) for (_, mine, _), old in zip(pairs, before))


def _exchanged(rows, name):
    """The output whose right value stands in the place of ``name`` everywhere, or None."""
    for other in rows[0][0].right:
        gradient = other.startswith("d") == name.startswith("d") and " " not in other and not is_term(other)
        if is_term(name):
            gradient = is_term(other) or other == "dx"
        if other != name and gradient and all(same(cell.right.get(other), shown[name]) for cell, shown in rows):
            if not all(same(cell.right[other], cell.right[name]) for cell, _ in rows):
                return other
    return None


def _factor(pairs):
    """The factor by which all are too large, as it fits every configuration, or None."""
    factors, cells = [], []
    for right, mine, cell in pairs:
        factor = float((right * mine).sum() / ((right * right).sum() or 1))
        if not same(mine, factor * right):
            return None
        if right.any():
            factors.append(factor)
            cells.append(cell)
    return _label(factors, cells) if factors else None


def _label(factors, cells):
    """What the factors are in all cells: -1, 2, N, or one number; None where they are nothing of that."""
    for words, expected in _FACTORS.items():
        if np.allclose(factors, [expected(*_sizes(cell.x)) for cell in cells], rtol=1e-5, atol=1e-6):
            return words
    return f"{factors[0]:.4g}" if np.allclose(factors, factors[0], rtol=1e-5, atol=1e-6) else None


def _sizes(x):
    """(N, pixels or features, values a channel)."""
    return len(x), x[0, 0].size if x.ndim > 2 else x[0].size, x[:, 0].size if x.ndim > 2 else x.size


_FACTORS = {
    "1": lambda n, hw, m: 1.0,
    "0": lambda n, hw, m: 0.0,
    "-1": lambda n, hw, m: -1.0,
    "2": lambda n, hw, m: 2.0,
    "1/2": lambda n, hw, m: 0.5,
    "N": lambda n, hw, m: n,
    "1/N": lambda n, hw, m: 1 / n,
    "H W": lambda n, hw, m: hw,
    "1/(H W)": lambda n, hw, m: 1 / hw,
    "m": lambda n, hw, m: m,
    "1/m": lambda n, hw, m: 1 / m,
}


def _terms(pairs, train):
    """Which named terms of the right dx enter with another factor than 1, if dx is a sum of them."""
    factors = []
    for _, mine, cell in pairs:
        terms = _named(cell, train)
        if len(terms) < 2:
            return None
        table = np.stack([term.ravel() for term in terms.values()], axis=1)
        found, *_ = np.linalg.lstsq(table, mine.ravel(), rcond=None)
        if not same((table @ found).reshape(mine.shape), mine):
            return None
        factors.append(found)
    cells = [cell for _, _, cell in pairs]
    words = [_label(values, cells) for values in zip(*factors)]
    if None in words:
        return None
    return Finding("terms", "dx", ", ".join(f"{name} {label}" for name, label in zip(terms, words) if label != "1"))


def _named(cell, train):
    """{name: term} of the right dx of a cell, those that are not zero."""
    layer = copy.deepcopy(cell.layer)
    if not hasattr(layer, "terms"):
        return {}
    _, cache = layer.forward(cell.x, train)
    terms = layer.terms(cell.dy, cache)
    if not same(sum(terms.values()), cell.right["dx"]):  # those of another definition
        return {}
    return {name: term for name, term in terms.items() if term.any()}
