"""The gradient at every block is a sum, known term by term, in which the shortcut may hand it down as it is."""

import numpy as np

from .. import models
from ..layers import Residual
from ..trace import all_paths, path_lengths, telescope, trace
from .experiment import Check, Claim, Experiment, Verdict
from .lab import patched

CLAIM = Claim(
    sentence="The gradient of a residual network is that of its last block times 1 + the derivatives of the residual "
    "branches: the 1 hands it down to every block as it is, so that it cannot vanish.",
    article="derivation of residual networks, backpropagation",
    paper="He et al. 2016, section 2, equation 5",
)
PLACEMENTS = ("original", "bn_after_add", "relu_before_add", "relu_only_preact", "full_preact")
SHORTCUTS = "A-both B C scale scale-shortcut exclusive-gate shortcut-gate conv1x1 dropout".split()
VARIANTS = {block: {"block": block} for block in PLACEMENTS}
VARIANTS |= {
    f"{block}, {name}": {"block": block, "shortcut": name}
    for block in ("original", "full_preact")
    for name in SHORTCUTS
}
CLEAN = ("relu_before_add", "relu_only_preact", "full_preact")  # nothing follows the addition
HALVED = "full_preact, scale-shortcut"  # h(x) = x / 2
QUICK, FULL = 4, 7  # blocks of one shape, in the first of three stages


def measure(seed, quick, lab):
    rng = np.random.default_rng(seed)
    x, dy = rng.standard_normal((6, 1, 8, 8)), rng.standard_normal((6, 10))
    blocks, numbers = QUICK if quick else FULL, {}
    for name, options in VARIANTS.items():
        lab.progress(name)
        model = models.build(f"digits_resnet{6 * blocks + 2}", rng=seed, **options)
        numbers[name] = of_variant(model.to(dtype=np.float64), x, dy, blocks)
    return numbers


def of_variant(model, x, dy, blocks):
    """Relative errors of the sums, and what the shortcuts of the first stage alone hand down."""
    ledger = trace(model, x, dy=dy)
    local, total = (telescope(ledger, 0, blocks, form=form) for form in ("local", "total"))
    lengths, brute = path_lengths(ledger, 0, blocks), {}
    for branches, gradient in all_paths(ledger, 0, blocks):
        brute[len(branches)] = brute.get(len(branches), 0) + gradient
    last = ledger.g(blocks)
    return {
        "closure": ledger.closure_error,
        "paths": max(relative(found, brute[k]) for k, found in enumerate(lengths.gradients)),
        "local": max(local.error, telescope(ledger).error),
        "total": total.error,
        "kept": float(np.linalg.norm(local.identity) / np.linalg.norm(last)),
        "not the gradient": int((local.identity != last).sum()),
        "not its part": int((local.identity != last / 2**blocks).sum()),
        "terms": max(relative(total.terms[path], term) for path, term in local.terms.items()),
    }


def relative(found, expected):
    size = np.linalg.norm(expected)
    return float(np.linalg.norm(found - expected) / size) if size else float(np.linalg.norm(found))


def verdict(numbers):
    def worst(key, names=VARIANTS, most=max):
        return tuple(most(n[name][key] for name in names) for n in numbers)

    return Verdict(
        (
            Check("error of the terms of each fork against its derivative", worst("closure"), at_most=1e-12),
            Check("error of the sums over paths of each length against all paths", worst("paths"), at_most=1e-12),
            Check("error of g_L + the local terms", worst("local"), at_most=1e-12),
            Check("error of g_L + the derivatives of the branches", worst("total"), at_most=1e-12),
            Check("entries of the shortcuts' term that differ from g_L", worst("not the gradient", CLEAN), 0, 0),
            Check(
                "that differ from the part of g_L that halving shortcuts leave", worst("not its part", [HALVED]), 0, 0
            ),
            Check("part of g_L that passes ReLUs behind the additions", worst("kept", ["original"]), 0.1, 0.95),
            Check("difference of a local term from the derivative of its branch", worst("terms", CLEAN, min), 0.1),
        ),
        "only where shortcut and what follows the addition are the identity: a ReLU behind it takes a part away, and "
        "so does a change of the shape",
    )


def draw(numbers, figure):
    kept = {name: np.mean([n[name]["kept"] for n in numbers]) for name in VARIANTS}
    figure.set_figheight(0.18 * len(kept) + 0.6)  # room for the names
    axes = figure.subplots()
    axes.barh(list(kept)[::-1], list(kept.values())[::-1])
    axes.axvline(1, color="C1", linestyle="--")
    axes.set_xscale("log")
    axes.set_xlabel("gradient behind a stage's shortcuts / before")
    axes.tick_params(axis="y", labelsize="small")


def branch_counted_twice():
    """The terms still add up to what backward gives, which is wrong as a whole."""

    def terms(self, dy, cache):
        found = right(self, dy, cache)
        return found | {"branch": 2 * found["branch"]}

    right = Residual.terms
    return patched(Residual, terms=terms)


EXPERIMENT = Experiment(
    "one_plus",
    CLAIM,
    measure,
    verdict,
    draw,
    expected="HOLDS WITH A CONDITION",
    breaks={"each branch counted twice in backward": branch_counted_twice},
)
