"""Three networks that vote make fewer errors than one: the 3.57 % of 2015 are those of six networks."""

import contextlib
import itertools
import math
import sys

import numpy as np

from ..data import Normalize
from ..models import build
from .experiment import FAILS, Check, Claim, Experiment, Verdict
from .lab import patched

CLAIM = Claim(
    sentence="One residual network, of 152 layers, has a top-5 error of 3.57 % on ImageNet and won the competition.",
    article="residuals and shortcuts, introduction",
    paper="He et al. 2015, tables 4 and 5: six networks together have 3.57 %, the best single one 4.49 %",
)
NAME, EPOCHS, TOGETHER = "digits_resnet20", 4, 3
MEMBERS = 6


def member(seed, k):
    """The seed of the k-th network."""
    return 1000 * seed + k


def measure(seed, quick, lab):
    test = lab.digits[1]
    images = Normalize.of(lab.digits[0])(test.images, np.float32)
    logits = []
    for k in range(MEMBERS if quick else 2 * MEMBERS):
        own = member(seed, k)
        model = build(NAME, rng=own)
        lab.train(model, EPOCHS, seed=own, about=f"network {k + 1}")
        logits.append(lab.fast(model)(images))

    def errors(size):
        """Of each choice of ``size`` networks, by the mean of their logits."""
        votes = (np.mean(chosen, axis=0) for chosen in itertools.combinations(logits, size))
        return [float((vote.argmax(1) != test.labels).mean()) for vote in votes]

    return {"one": errors(1), "three": errors(TOGETHER)}


def verdict(numbers):
    return Verdict(
        (
            Check(
                "errors of one network / of three together",
                tuple(ratio(n["one"], n["three"]) for n in numbers),
                at_most=1.1,
            ),
        )
    )


def ratio(errors, others):
    """Of the means; infinite where the others are 0."""
    return float(np.mean(errors) / np.mean(others)) if any(others) else math.inf


def draw(numbers, figure):
    axes = figure.subplots()
    for place, name in enumerate(("one", "three")):
        errors = 100 * np.concatenate([n[name] for n in numbers])
        axes.plot(place + np.linspace(-0.2, 0.2, len(errors)), np.sort(errors), "o")
        axes.hlines(errors.mean(), place - 0.3, place + 0.3, color=f"C{place}")
    axes.set_xticks([0, 1], ["one network", "three together"])
    axes.set_xlim(-0.5, 1.5)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("error on the test images, %")


@contextlib.contextmanager
def all_from_one_seed():
    """Six times the same network: no vote differs from the others."""

    def member(seed, k):
        return seed

    with patched(sys.modules[__name__], member=member):
        yield


EXPERIMENT = Experiment(
    "ensemble",
    CLAIM,
    measure,
    verdict,
    draw,
    expected=FAILS,
    breaks={"all networks come from one seed": all_from_one_seed},
)
