"""The ledger for people and for programs: a table, and JSON with a version. The page shows nothing but this JSON."""

import base64
import json
import math

import numpy as np

from ..backend import to_numpy
from ..layers.tree import join
from ..layers import observe
from .audit import audit
from .block import SHORTCUT
from .first import first
from .norms import dot, norm, ratio, worst
from .paths import path_lengths
from .said import fill, said
from .telescope import telescope

FORMAT, VERSION = "minires trace", 1
LEVELS = 127  # a picture holds whole numbers from -LEVELS to LEVELS, in units of its scale


def as_dict(ledger, *, name=None, pictures=False, against=None, classes=(), progress=iter):
    """Everything that a ledger knows, as a dict that JSON can hold.

    name: what to call the model   pictures: also maps of the forward values and the gradients of the first image
    against: (name, ledger) of another network, whose gradient by depth is to stand beside   classes: their names
    progress: what the loops over the blocks run through, of the telescoped sums and of the path-length programme

    ``blocks`` has one object a block, from the input to the output: ``terms`` with the norm of each and its ``share``
    <term, g_l> / <g_l, g_l> (the shares of a block add up to 1), ``at_fork_norm`` of what the layers behind the fork
    leave of the incoming gradient, ``identity_norm`` of what arrives on shortcuts alone, ``breaks`` of the identity,
    ``inside`` with |dx| of each layer of its ways but the shortcut. ``first``: see :func:`~minires.trace.first.first`.
    ``depth`` has |dW| and |dx| of each layer with a weight, from the input to the output. ``paths`` is the gradient by
    path length at the first block. What is NaN or infinite, such as a cosine with zero, is None.

    What the errors prove: ``closure_error``, that the terms are those of backward and the derivative of forward (see
    :class:`~minires.trace.ForkRecord`); ``telescope_error`` and ``path_error``, that the sums over blocks and over
    paths give the gradient that backward gave.
    """
    sums, lengths, found = {}, None, None
    if ledger.blocks:
        sums = {form: telescope(ledger, form=form, progress=progress) for form in ("local", "total")}
        lengths = path_lengths(ledger, progress=progress)
        found = audit(ledger)
    facts = {
        "format": FORMAT,
        "version": VERSION,
        "model": name or ledger.about["model"],
        **{key: ledger.about[key] for key in ("dtype", "shape", "train")},
        "loss": ledger.loss,
        "first": first(ledger, classes),
        "closure_error": ledger.closure_error,
        "telescope_error": worst(s.error for s in sums.values()),
        "path_error": lengths.error if lengths else 0.0,
        "branch_vjps": lengths.residual_products if lengths else 0,
        "levels": [vars(level) | {"unnormalised": list(level.unnormalised)} for level in found.levels] if found else [],
        "identity_holds": found.holds if found else False,
        "depth": _depth(ledger),
        "against": against and {"model": against[0], "depth": _depth(against[1])},
        "plain": any(record.fork is None for record in ledger.blocks),
        "notes": ledger.notes,
        "output_gradient_norm": norm(ledger.g(len(ledger.blocks))) if ledger.blocks else None,
        "blocks": [_block(ledger, record, found, sums, pictures) for record in ledger.blocks],
        "forks": [_fork(record) for record in ledger.forks],
        "paths": _paths(lengths) if lengths else None,
    }
    return _finite(facts)


def as_json(ledger, **options):
    """:func:`as_dict` as JSON text."""
    return json.dumps(as_dict(ledger, **options), allow_nan=False)


def as_table(ledger, width=math.inf, language="en"):
    """A line a block, from the output back to the input, in the order in which the gradient passes.

    width: columns that there are; where they are few, columns are narrower, and a long path gets a line of its own
    language: of the sentences below, "en" or "zh"
    """
    wide = max((14, *(len(b.path) for b in ledger.blocks)))
    heads, sizes = ("|g behind|", "|shortcut|", "|rest|", "|g before|", "cosine", "1 alone"), (10, 10, 10, 10, 7, 9)
    if wide + sum(sizes) + len(sizes) > width:
        heads, sizes, wide = ("behind", "shortcut", "rest", "before", "cosine", "1 alone"), (8, 8, 8, 8, 6, 8), 8
    lines = [f"{'block':<{wide}}" + "".join(f" {head:>{size}}" for head, size in zip(heads, sizes))]
    for b in reversed(ledger.blocks):
        shortcut = norm(b.terms["shortcut"]) if "shortcut" in b.terms else 0.0
        behind, rest, before, alone = (f"{norm(a):.3g}" for a in (b.incoming, b.residual, b.outgoing, b.identity))
        cells = (behind, f"{shortcut:.3g}", rest, before, f"{b.cosine:.3f}", alone)
        path = b.path if len(b.path) <= wide else f"{b.path}\n{'':<{wide}}"
        lines.append(f"{path:<{wide}}" + "".join(f" {cell:>{size}}" for cell, size in zip(cells, sizes)))
    proof = "the terms add up to the gradient, and are derivatives of forward, within {error:.1e}"
    words = "rest: what is not of the shortcut; cosine: between the two; 1 alone: what shortcuts alone would bring"
    words = said(language, words) if any(b.fork for b in ledger.blocks) else ""
    proof, depth = said(language, proof, error=ledger.closure_error), by_depth(ledger, language)
    lines += [fill(text, min(width, 120)) for text in (words, proof, depth, *ledger.notes) if text]
    return "\n".join(lines)


def by_depth(ledger, language="en"):
    """How the gradients of the first and the last convolution compare, in a sentence; "" where there are not two."""
    convs = [one["dw"] for one in _depth(ledger) if one["kind"] == "Conv2d"]
    if len(convs) < 2:
        return ""
    text = "|dW| of the first convolution is {times:.3g} times that of the last"
    return said(language, text, times=ratio(convs[0], convs[-1]))


def _block(ledger, record, found, sums, pictures):
    block = ledger.trunk.blocks[record.index]
    facts = _fork(record) | {
        "index": record.index,
        "at_fork_norm": norm((record.fork or record).incoming),
        "shape": list(block.x.shape),
        "identity_norm": norm(record.identity),
        "identity_ratio": record.identity_ratio,
        "local_norm": norm(sums["local"].terms[record.path]),
        "total_norm": norm(sums["total"].terms[record.path]),
        "inside": _inside(ledger, record),
        "breaks": [vars(b) | {"where": b.where} for b in found.breaks[record.index]],
    }
    return facts | ({"pictures": _pictures(record, block)} if pictures else {})


def _inside(ledger, record):
    at = (record.fork or record).path
    ways = [join(at, name) for name in record.terms if name != SHORTCUT] if record.fork else [at]
    return [
        {"path": one.path, "kind": one.kind, "dx": one.dx}
        for one in ledger.depth
        if any(f"{one.path}.".startswith(f"{way}.") for way in ways)
    ]


def _depth(ledger):
    return [
        {"path": one.path, "kind": one.kind, "dw": one.params["weight"], "dx": one.dx}
        for one in ledger.depth
        if "weight" in one.params
    ]


def _fork(record):
    size = dot(record.outgoing, record.outgoing)
    return {
        "path": record.path,
        "kind": record.kind,
        "incoming_norm": norm(record.incoming),
        "outgoing_norm": norm(record.outgoing),
        "terms": {
            name: {"norm": norm(term), "share": ratio(dot(term, record.outgoing), size)}
            for name, term in record.terms.items()
        },
        "shortcut_scaling": record.shortcut_scaling,
        "residual_ratio": record.residual_ratio,
        "cosine": record.cosine,
        "closure_error": record.closure_error,
    }


def _paths(lengths):
    return {
        "lengths": list(range(len(lengths.gradients))),
        "counts": lengths.counts,
        "norms": lengths.norms,
        "projections": lengths.projections,
        "mean_length": lengths.mean_length,
    }


def _pictures(record, block):
    """Means over the channels of the first image, in which terms still add up to their sum.

    forward: x, the ways of the fork, "sum" (before the layers behind the addition, if there are any), y
    backward: "incoming" (behind the block), "at_fork" (before those layers, if any), the terms, "outgoing"
    """
    visit, ways = record.visit, {}
    if visit:
        seen = observe(visit.again(), lambda path, layer, x, y: ways.update({path: y}))
        seen.forward(visit.x, visit.train)
        ways = {name: ways[name] for name, _ in visit.fork.children() if name in ways}
    joined = {"sum": block.post[0].x} if block.post else {}
    at_fork = {"at_fork": record.fork.incoming} if block.post else {}
    return {
        "forward": _maps({"x": block.x, **ways, **joined, "y": block.y}),
        "backward": _maps({"incoming": record.incoming, **at_fork, **record.terms, "outgoing": record.outgoing}),
    }


def _maps(arrays):
    """{name: picture}, all in the units of one scale, so that they can be compared and added by eye.

    deepest: the largest size of a number in them, which has the deepest colour
    """
    means = {name: to_numpy(a)[0].astype(np.float64) for name, a in arrays.items()}
    means = {name: a.mean(axis=0) if a.ndim == 3 else a.reshape(1, -1) for name, a in means.items()}
    means = {name: np.where(np.isfinite(a), a, 0) for name, a in means.items()}
    deepest = float(max(abs(a).max() for a in means.values()))
    scale = deepest / LEVELS or 1.0
    return {
        "scale": scale,
        "deepest": deepest,
        "maps": {
            name: {
                "shape": list(a.shape),
                "data": base64.b64encode(np.rint(a / scale).astype(np.int8).tobytes()).decode(),
            }
            for name, a in means.items()
        },
    }


def _finite(value):
    """``value`` with None for NaN and infinity, which have no place in JSON."""
    if isinstance(value, dict):
        return {key: _finite(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
