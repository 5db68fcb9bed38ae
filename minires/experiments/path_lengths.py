"""The gradient of a trained residual network comes through its short paths."""

import numpy as np

from ..data import Normalize
from ..layers import Identity, Scale, replace
from ..models import lesions
from ..trace import path_lengths, sample_paths, trace
from .experiment import Check, Claim, Experiment, Verdict
from .lab import Lab, patched

CLAIM = Claim(
    sentence="Most of the gradient of a deep residual network comes through short paths; the long ones, although there "
    "are many, bring almost nothing.",
    article="derivation of residual networks, ensembles of paths",
    paper="Veit et al. 2016, section 5, figure 6",
)
NETWORK = "digits_resnet56", {"block": "full_preact"}
IMAGES, SAMPLES = 64, 2
SHORT, FITTED = 16, 20  # of 27 blocks: lengths whose part is summed up, lengths to which the line is fitted


def measure(seed, quick, lab):
    """Shares of single paths of each length (Veit's), and of all paths of a length together, exactly."""
    name, options = NETWORK
    model = lab.trained(name, seed, **options)[0]
    train = lab.digits[0]
    some = slice(IMAGES if quick else 2 * IMAGES)
    x = Normalize.of(train)(train.images[some], np.float64)
    ledger = trace(model.to(dtype=np.float64), x, train.labels[some])
    lab.progress("traced")
    exact = path_lengths(ledger)
    lab.progress("the gradient by path length")
    sampled = sample_paths(ledger, samples=SAMPLES if quick else 10, rng=seed)
    return {
        "error": float(exact.error),
        "counts": [float(count) for count in exact.counts],
        "projections": [float(part) for part in exact.projections],
        "path_norms": [float(size) for size in sampled.mean_norms],
        "contributions": [float(part) for part in sampled.contributions],
    }


def slope(n):
    """By how much the logarithm of the norm of a path changes with each branch on it."""
    return float(np.polyfit(range(FITTED), np.log(n["path_norms"][:FITTED]), 1)[0])


def mean_length(n):
    return float(np.dot(range(len(n["contributions"])), n["contributions"]))


def verdict(numbers):
    def each(function):
        return tuple(function(n) for n in numbers)

    return Verdict(
        (
            Check("|sum over the lengths - gradient| / |gradient|", each(lambda n: n["error"]), at_most=1e-12),
            Check("change of log |gradient of a path| with a branch more", each(slope), at_most=-0.35),
            Check("mean length of a path, by what it brings", each(mean_length), at_most=10),
            Check(
                f"part of what paths bring, lengths up to L({SHORT})",
                each(lambda n: sum(n["contributions"][: SHORT + 1])),
                at_least=0.95,
            ),
        )
    )


def draw(numbers, figure):
    n = numbers[0]
    lengths = range(len(n["counts"]))
    single, together = figure.subplots(1, 2)
    single.semilogy(lengths, n["path_norms"], "o", markersize=4)
    single.set_ylabel("|gradient through one path|")
    together.plot(lengths, np.divide(n["counts"], sum(n["counts"])), "--", label="number of paths")
    together.plot(lengths, n["contributions"], "o-", markersize=4, label="number times norm")
    together.plot(lengths, n["projections"], "s-", markersize=4, label="exact, with signs")
    together.set_ylabel("part")
    together.legend(frameon=False)
    for axes in (single, together):
        axes.set_xlabel("branches on the path")


def damped_shortcuts():
    """Every identity passes on a tenth: paths through many branches then bring the most."""

    def trained(self, *name, **options):
        model, rows = right(self, *name, **options)
        places = [f"{fork}.shortcut" for fork in lesions.forks(model)]
        return replace(model, {place: Scale(0.1) for place in places if isinstance(model.at(place), Identity)}), rows

    right = Lab.trained
    return patched(Lab, trained=trained)


EXPERIMENT = Experiment(
    "path_lengths", CLAIM, measure, verdict, draw, breaks={"a tenth of the identity on the shortcuts": damped_shortcuts}
)
