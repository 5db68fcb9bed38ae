"""Training with blocks left out at random: stochastic depth, and no more blocks than effective paths have."""

import contextlib

import numpy as np

from ..engine import compile
from ..layers import Fork
from ..models import build, lesions
from .experiment import CONDITION, Check, Claim, Experiment, Verdict
from .lab import patched

CLAIM = Claim(
    sentence="A residual network trains on its short paths alone: with less than half of its blocks in each batch, "
    "drawn at random, it comes to the same error.",
    article="derivation of residual networks, ensembles of paths",
    paper="Veit et al. 2016, section 5: 5.96 % with 23 of 54 blocks, 6.10 % with all; Huang et al. 2016, section 3",
)
NAME, BLOCK, BLOCKS = "digits_resnet56", {"block": "full_preact"}, 27
LAST = 0.5  # stochastic depth: the last block takes part with this probability, those before with more, linearly
COUNT = 12  # effective paths: blocks in a batch, of 27 as 23 of 54
WHOLE = 6  # epochs of the whole network; the others have as many as run about as many branches
EPOCHS = {"stochastic depth": 8, "effective paths": 14}


class Choice:
    """Which blocks take part in a batch: each with its probability ``keep``, or exactly ``count`` of them."""

    def __init__(self, keep, count, seed):
        self.keep, self.count, self.rng = np.asarray(keep), count, np.random.default_rng(seed)
        self.batches = self.runs = 0

    def draw(self):
        n = len(self.keep)
        if self.count is None:
            self.present = self.rng.random(n) < self.keep
        else:
            self.present = np.isin(np.arange(n), self.rng.choice(n, self.count, replace=False))
        self.batches, self.runs = self.batches + 1, self.runs + int(self.present.sum())


class Dropping(Fork):
    """y = h(x) + b F(x), b = 1 where ``choice`` has the block take part, else 0, and its probability in evaluation.

    Huang et al. 2016, "Deep Networks with Stochastic Depth", eq. 2 and 5. The first block draws for all.
    """

    def __init__(self, fork, choice, index):
        self.shortcut, self.branch = fork.shortcut, fork.branch
        self.choice, self.index = choice, index

    def forward(self, x, train=False):
        if train and self.index == 0:
            self.choice.draw()
        h, shortcut_cache = self.shortcut.forward(x, train)
        if train and not self.choice.present[self.index]:
            return h, (shortcut_cache, None, 0.0)
        f, branch_cache = self.branch.forward(x, train)
        factor = 1.0 if train else self.expected()
        return h + factor * f, (shortcut_cache, branch_cache, factor)

    def expected(self):
        """What b is on average."""
        return float(self.choice.keep[self.index])

    def terms(self, dy, cache):
        shortcut_cache, branch_cache, factor = cache
        shortcut = self.shortcut.backward(dy, shortcut_cache)
        if branch_cache is None:
            return {"shortcut": shortcut, "branch": 0 * shortcut}
        return {"shortcut": shortcut, "branch": self.branch.backward(factor * dy, branch_cache)}


def choice(kind, seed):
    if kind == "effective paths":
        return Choice(np.full(BLOCKS, COUNT / BLOCKS), COUNT, seed)
    return Choice(1 - (1 - LAST) * np.arange(1, BLOCKS + 1) / BLOCKS, None, seed)


def dropping(model, choice, lab):
    """``model`` itself, whose forks are now :class:`Dropping`; the engine still runs the branches."""
    for index, path in enumerate(lesions.forks(model)):
        fork = model.at(path)
        if lab.engine == "compiled":
            fork.branch = compile(fork.branch, threads=1)
        parent, _, name = path.rpartition(".")
        model.at(parent).set_child(name, Dropping(fork, choice, index))
    return model


def measure(seed, quick, lab):
    times = 1 if quick else 3
    _, rows = lab.trained(NAME, seed, times * WHOLE, **BLOCK)
    numbers = {"accuracy": {"whole": [row["test_accuracy"] for row in rows]}, "branches": {}}
    for kind, epochs in EPOCHS.items():
        drawn = choice(kind, seed)
        model = dropping(build(NAME, rng=seed, **BLOCK), drawn, lab)
        rows = lab.train(model, times * epochs, seed=seed, about=kind)
        numbers["accuracy"][kind] = [row["test_accuracy"] for row in rows] + [0.0] * (times * epochs - len(rows))
        numbers["branches"][kind] = drawn.runs / drawn.batches / BLOCKS
    return numbers


def verdict(numbers):
    checks = []
    for kind, epochs in EPOCHS.items():
        lost = tuple(n["accuracy"]["whole"][-1] - n["accuracy"][kind][-1] for n in numbers)
        runs = tuple(n["branches"][kind] * epochs / WHOLE for n in numbers)
        checks += [
            Check(f"accuracy lost, {kind}", lost, at_most=0.05),
            Check(f"branches run / those of the whole training, {kind}", runs, at_most=1.05),
        ]
    early = min(n["accuracy"]["effective paths"][len(n["accuracy"]["whole"]) - 1] for n in numbers)
    return Verdict(
        tuple(checks),
        condition="in as many runs of branches, which are more epochs: after those of the whole network effective "
        f"paths alone have a test accuracy of {early:.2g}",
    )


def draw(numbers, figure):
    axes = figure.subplots()
    for kind in ("whole", *EPOCHS):
        accuracy = np.mean([n["accuracy"][kind] for n in numbers], axis=0)
        share = np.mean([n["branches"].get(kind, 1.0) for n in numbers])
        axes.plot(share * np.arange(1, len(accuracy) + 1), accuracy, "o-", label=kind)
    axes.set_ylim(0, 1)
    axes.set_xlabel("branches run, in epochs of the whole network")
    axes.set_ylabel("test accuracy")
    axes.legend(frameon=False)


@contextlib.contextmanager
def all_at_full_strength():
    """In evaluation every branch counts in full, more than the blocks behind it have ever seen."""
    with patched(Dropping, expected=lambda self: 1.0):
        yield


EXPERIMENT = Experiment(
    "dropped_blocks",
    CLAIM,
    measure,
    verdict,
    draw,
    expected=CONDITION,
    breaks={"in evaluation branches are not scaled by how often they took part": all_at_full_strength},
)
