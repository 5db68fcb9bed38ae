"""Is a trained residual network an ODE? Then every block may be run twice, each time half as far."""

import contextlib

import numpy as np

from ..data import Normalize
from ..layers import Identity, Residual, Scale, Sequential, replace
from ..models import build, lesions
from .experiment import CONDITION, Check, Claim, Experiment, Verdict
from .lab import patched

CLAIM = Claim(
    sentence="A residual network is a differential equation that Euler's method solves, a step a block.",
    article="derivation of residual networks, HO-ResNet",
    paper="E 2017; Chen et al. 2018, section 1",
)
NAME, BLOCK = "digits_resnet56", {"block": "full_preact"}
PARTS = (1, 2, 4)


def finer(model, parts):
    """``model`` with ``parts`` steps of a ``parts``-th of F in the place of each x + F(x); changes of shape stay."""
    forks = {path: model.at(path) for path in lesions.forks(model)}
    return replace(
        model, {path: steps(fork.branch, parts) for path, fork in forks.items() if isinstance(fork.shortcut, Identity)}
    )


def steps(branch, parts):
    return Sequential(*(Residual(Sequential(branch=branch, step=Scale(1 / parts))) for _ in range(parts)))


def measure(seed, quick, lab):
    test = lab.digits[1]
    images = Normalize.of(lab.digits[0])(test.images, np.float32)
    models = {"trained": lab.trained(NAME, seed, **BLOCK)[0], "fresh": build(NAME, rng=seed, **BLOCK)}
    moved, accuracy = {}, {}
    for name, model in models.items():
        # in training, as the statistics that batch norm has collected are those of whole steps
        logits = [finer(model, parts).forward(images, train=True)[0] for parts in PARTS]
        moved[name] = [float(np.linalg.norm(y - logits[0]) / np.linalg.norm(logits[0])) for y in logits]
        accuracy[name] = [float((y.argmax(1) == test.labels).mean()) for y in logits]
        lab.progress(f"finer steps of the {name} network")
    return {"moved": moved, "accuracy": accuracy}


def verdict(numbers):
    moved = {name: tuple(n["moved"][name][1] for n in numbers) for name in ("trained", "fresh")}
    lost = tuple(n["accuracy"]["trained"][0] - n["accuracy"]["trained"][1] for n in numbers)
    return Verdict(
        (
            Check("trained: logits move by, at half steps", moved["trained"], at_most=0.2),
            Check("trained: accuracy lost at half steps", lost, at_most=0.05),
            Check("fresh: logits move by, at half steps", moved["fresh"], at_least=0.4),
        ),
        condition="once it is trained: finer steps give another function where the weights are as they were drawn",
    )


def draw(numbers, figure):
    axes = figure.subplots()
    for name in ("trained", "fresh"):
        axes.plot(PARTS, np.mean([n["moved"][name] for n in numbers], axis=0), "o-", label=name)
    axes.set_xticks(PARTS)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("steps in the place of one block")
    axes.set_ylabel("change of the logits, relative")
    axes.legend(frameon=False)


@contextlib.contextmanager
def whole_steps():
    """Every block is run twice, and each time goes the whole way."""

    def make(self, factor):
        right(self, 1.0)

    right = Scale.__init__
    with patched(Scale, __init__=make):
        yield


EXPERIMENT = Experiment(
    "finer_steps",
    CLAIM,
    measure,
    verdict,
    draw,
    expected=CONDITION,
    breaks={"the steps are as long as before": whole_steps},
)
