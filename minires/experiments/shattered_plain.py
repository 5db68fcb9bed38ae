"""Shattered gradients of plain networks: 1/2^L with batch norm, a power of L without, and no stable norm."""

import math
from functools import partial

import numpy as np

from . import shattering
from .experiment import CONDITION, Check, Claim, Experiment, Verdict
from .lab import patched
from .shattering import likeness_by_depth, logarithm, plain, slope

CLAIM = Claim(
    sentence="With batch norm the norm of the gradients of a plain network of L layers is stable, "
    "and yet their correlation falls as 1/2^L.",
    article="derivation of residual networks, shattered gradients",
    paper="Balduzzi et al. 2017, theorem 1; He et al. 2015 for the norm",
)
DEPTHS, GROWTH = (1, 2, 4, 6, 8, 10), (8, 10)
DRAWS = 12
# One network of 256 units and 16 layers is 60 % from the next, and their mean twice the law, which is for wide ones
WITHOUT, WIDE = (2, 8, 16), {"width": 1024, "examples": 32}


def law(depth):
    """Correlation of wide networks without batch norm, of examples at right angles: the product of 1 - theta / pi.

    The angle theta of two examples shrinks from layer to layer. Cho & Saul 2009, arc-cosine kernels of degree 0 and 1.
    """
    cosine, found = 0.0, 1.0
    for _ in range(depth):
        theta = math.acos(cosine)
        found *= 1 - theta / math.pi
        cosine = (math.sin(theta) + (math.pi - theta) * math.cos(theta)) / math.pi
    return found


def measure(seed, quick, lab):
    draws = DRAWS if quick else 4 * DRAWS
    with_norm = likeness_by_depth(plain, DEPTHS, draws, seed, lab, "with batch norm")
    without = likeness_by_depth(partial(plain, norm=False), WITHOUT, draws, seed, lab, "without batch norm", **WIDE)
    fitted = DEPTHS[:-1]  # at the last the correlation is below what so many examples can tell from 0
    return {
        "batch norm": with_norm,
        "none": without,
        "slope": slope(fitted, logarithm(with_norm["R"][: len(fitted)]) / math.log(2)),
        "growth": [with_norm["rms"][DEPTHS.index(d)] ** (1 / d) for d in GROWTH],
    }


def verdict(numbers):
    at_16 = tuple(n["none"]["R"][WITHOUT.index(16)] for n in numbers)
    growth = [tuple(n["growth"][i] for n in numbers) for i in range(len(GROWTH))]
    return Verdict(
        (
            Check("slope of the binary logarithm over L, batch norm", tuple(n["slope"] for n in numbers), -1.15, -0.9),
            Check("R(16) without batch norm", at_16, 0.010, 0.022),
            Check("R(16) without batch norm, times 2^16", tuple(r * 2**16 for r in at_16), at_least=100),
            *(
                Check(f"growth of the norm a layer, batch norm, L({d})", g, 1.12, 1.25)
                for d, g in zip(GROWTH, growth, strict=True)
            ),
        ),
        condition="for the correlation alone, and with batch norm. The norm is not stable, it grows by a factor of "
        f"{max(growth[-1]):.2f} a layer; without batch norm the correlation falls as a power of L",
    )


def draw(numbers, figure):
    axes = figure.subplots()
    for kind, depths in (("batch norm", DEPTHS[:-1]), ("none", WITHOUT)):
        found = np.mean([n[kind]["R"] for n in numbers], axis=0)[: len(depths)]
        axes.loglog(depths, found, "o", label="with batch norm" if kind != "none" else "without")
    every = np.arange(1, 17)
    axes.loglog(every[:10], 2.0 ** -every[:10], "--", color="C0", label="$2^{-L}$")
    axes.loglog(every, [law(d) for d in every], "--", color="C1", label="wide networks without, in theory")
    axes.set_xticks((1, 2, 4, 8, 16), ("1", "2", "4", "8", "16"))
    axes.minorticks_off()
    axes.set_xlabel("layers L")
    axes.set_ylabel("correlation of two gradients")
    axes.legend(frameon=False)


def not_frozen():
    """The gradient of the statistics too: the gradients of a batch add up to nothing, R is exactly -1 / (M - 1)."""
    return patched(shattering, STATISTICS="batch")


EXPERIMENT = Experiment(
    "shattered_plain",
    CLAIM,
    measure,
    verdict,
    draw,
    expected=CONDITION,
    breaks={"batch norm's statistics have gradients too": not_frozen},
)
