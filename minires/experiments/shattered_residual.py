"""Gradients of residual networks do not shatter: their correlation falls as a power of depth."""

import math
from statistics import median_low

import numpy as np

from .experiment import CONDITION, Check, Claim, Experiment, Verdict
from .lab import without_addition
from .shattering import likeness_by_depth, logarithm, residual, slope

CLAIM = Claim(
    sentence="In a residual network of L blocks the correlation of two gradients falls as 1/sqrt(L) only.",
    article="derivation of residual networks, shattered gradients",
    paper="Balduzzi et al. 2017, theorem 3",
)
DEPTHS, FITTED = (1, 2, 4, 8, 16, 32, 64), slice(2, None)
DRAWS = 20
APART = 0.2  # 0.08 of it as networks of 256 units have less than wide ones


def refined(depth):
    """The product of (1 + 1 / 2v) / (1 + 1 / v) over the blocks, v = 1 + l (pi - 1) / pi: the variance of the stream
    behind l branches whose input is centred and whose output is He's. The paper has v = l."""
    v = 1 + np.arange(depth + 1) * (math.pi - 1) / math.pi
    return float(np.prod((1 + 0.5 / v[:depth]) / (1 + 1 / v[:depth])))


def measure(seed, quick, lab):
    found = likeness_by_depth(residual, DEPTHS, DRAWS if quick else 10 * DRAWS, seed, lab, "residual")
    far = max(abs(r / refined(d) - 1) for d, r in zip(DEPTHS, found["R"], strict=True))
    return found | {"slope": slope(np.log(DEPTHS[FITTED]), logarithm(found["R"][FITTED])), "from theory": far}


def verdict(numbers):
    slopes = tuple(n["slope"] for n in numbers)
    return Verdict(
        (
            Check("slope of log R over log L", slopes, -0.75, -0.5),
            Check("R(64)", tuple(n["R"][-1] for n in numbers), at_least=0.05),
            Check(
                "greatest distance from the refined product, relative",
                tuple(n["from theory"] for n in numbers),
                at_most=APART,
            ),
        ),
        condition=f"as a power of L, yes, but a steeper one at the start: the exponent is {median_low(slopes):.2f}",
    )


def draw(numbers, figure):
    axes = figure.subplots()
    axes.loglog(DEPTHS, np.mean([n["R"] for n in numbers], axis=0), "o", label="measured", base=2)
    axes.loglog(DEPTHS, [refined(d) for d in DEPTHS], "--", label="refined product", base=2)
    axes.loglog(DEPTHS, [0.75 * d**-0.5 for d in DEPTHS], ":", label=r"$\sim 1/\sqrt{L}$", base=2)
    axes.set_xlabel("blocks L")
    axes.set_ylabel("correlation of two gradients")
    axes.legend(frameon=False)


EXPERIMENT = Experiment(
    "shattered_residual",
    CLAIM,
    measure,
    verdict,
    draw,
    expected=CONDITION,
    breaks={"the blocks lose their addition": without_addition},
)
