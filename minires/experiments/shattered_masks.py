"""The theorem behind shattered gradients: with independent masks the correlation of two gradients halves a layer."""

import contextlib
import sys

import numpy as np

from ..layers import Linear, Sequential
from .experiment import CONDITION, Check, Claim, Experiment, Verdict
from .lab import patched
from .shattering import likeness

CLAIM = Claim(
    sentence="In a plain network of L layers with ReLU the correlation of the gradients of two examples is 1/2^L.",
    article="derivation of residual networks, shattered gradients",
    paper="Balduzzi et al. 2017, theorem 1",
)
WIDTH, EXAMPLES, DRAWS = 512, 64, 40
DEPTHS = (1, 2, 4)


def masks(rng):
    """Which units are active, half of them, for each example by itself. (EXAMPLES, WIDTH)"""
    return rng.random((EXAMPLES, WIDTH)) < 0.5


def correlations(rng):
    """At each depth: the gradient that all examples share goes back through linear layers and masks."""
    g, found = np.tile(rng.standard_normal(WIDTH), (EXAMPLES, 1)), []
    for _ in range(max(DEPTHS)):
        layer = Sequential(Linear(WIDTH, WIDTH, bias=False, rng=rng)).to(dtype="float64").freeze()
        g = layer.backward(g * masks(rng), layer.forward(np.zeros_like(g))[1])
        found.append(likeness(g)[0])
    return [found[depth - 1] for depth in DEPTHS]


def measure(seed, quick, lab):
    draws = DRAWS if quick else 10 * DRAWS
    found = [correlations(np.random.default_rng((seed, draw))) for draw in range(draws)]
    return {"R": [float(r) for r in np.mean(found, axis=0)]}


def verdict(numbers):
    return Verdict(
        tuple(
            Check(f"correlation times 2^L, L({depth})", tuple(n["R"][i] * 2**depth for n in numbers), 0.9, 1.1)
            for i, depth in enumerate(DEPTHS)
        ),
        condition="if for each example each unit is active or not by a coin of its own, as the theorem assumes",
    )


def draw(numbers, figure):
    axes = figure.subplots()
    axes.semilogy(DEPTHS, np.mean([n["R"] for n in numbers], axis=0), "o", label="measured", base=2)
    axes.semilogy(DEPTHS, [2.0**-depth for depth in DEPTHS], "--", label="$2^{-L}$", base=2)
    axes.set_xlabel("layers L")
    axes.set_ylabel("correlation of two gradients")
    axes.legend(frameon=False)


@contextlib.contextmanager
def one_mask_for_all():
    with patched(sys.modules[__name__], masks=lambda rng: rng.random((1, WIDTH)) < 0.5):
        yield


EXPERIMENT = Experiment(
    "shattered_masks",
    CLAIM,
    measure,
    verdict,
    draw,
    expected=CONDITION,
    breaks={"all examples have the same active units": one_mask_for_all},
)
