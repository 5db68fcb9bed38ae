"""Residual networks survive the loss of a block, and blocks in another order; plain networks do not."""

import itertools

import numpy as np

from ..data import Normalize, load
from ..layers import replace
from ..models import lesions
from ..weights import build_with_weights
from .experiment import Check, Claim, Experiment, Verdict
from .lab import patched

CLAIM = Claim(
    sentence="Without any one of its blocks a trained residual network classifies almost as well as before, and with "
    "every further one that is missing or out of order a little worse: it behaves like an ensemble of paths.",
    article="derivation of residual networks, ensembles of paths",
    paper="Veit et al. 2016, section 4",
)
EPOCHS = 10  # plain20 classifies well after as many
IMAGES = 250  # of CIFAR-10, in the full version
MISSING, DRAWS = tuple(range(1, 13)), 6
SWAPS, ORDERS = (1, 2, 4, 8, 16), 12  # single orders scatter: what counts is the mean error of as many exchanges
CARRIES = 0.1  # of the accuracy is lost with a block that carries the network


def measure(seed, quick, lab):
    if not quick:
        return {"cifar10": lab.part(f"lesions-{seed}", lambda: on_cifar10(seed, lab))}
    residual, plain = (lab.trained(f"digits_{name}", seed, EPOCHS)[0] for name in ("resnet56", "plain20"))
    return {"digits": of_residual(residual, lab.accuracy, (1, 8, 8), seed, lab) | of_plain(plain, lab.accuracy)}


def on_cifar10(seed, lab):
    """The published ResNet-56 with the weights in the file ``lab.weights``, on some of the test images."""
    model, origin = build_with_weights("resnet56", lab.weights)
    test = load("cifar10", "test", lab.data_dir)
    some = test.subset(np.random.default_rng(seed).permutation(len(test))[:IMAGES])
    normalize = Normalize(origin.mean, origin.std)
    return of_residual(model, lambda model: lab.accuracy(model, some, normalize), (3, 32, 32), seed, lab)


def of_residual(model, accuracy, image, seed, lab):
    """What is lost with each fork; [blocks missing, mean error]; for each number of exchanges, for each order drawn,
    [its Kendall's tau with the true order, error]."""
    rng = np.random.default_rng(seed)
    whole = accuracy(model)
    forks = lesions.forks(model)
    drops = [whole - accuracy(lesions.delete(model, fork)) for fork in forks]
    lab.progress("each block is deleted")
    stages = [[path.removesuffix(".add") for path in forks if path.startswith(f"stage{s}.")][1:] for s in (1, 2, 3)]
    missing = []
    for count in MISSING:
        drawn = [rng.choice(np.concatenate(stages), count, replace=False) for _ in range(DRAWS)]
        missing.append([count, float(np.mean([1 - accuracy(without(model, blocks)) for blocks in drawn]))])
        lab.progress(f"{count} blocks are deleted")
    orders, true = [], sum(stages, [])
    for count in SWAPS:
        drawn = [shuffled(stages, count, rng) for _ in range(ORDERS)]
        taus = [kendall([true.index(block) for block in order]) for order in drawn]
        errors = [1 - accuracy(lesions.reorder(model, order, image=image)) for order in drawn]
        orders.append([list(pair) for pair in zip(taus, errors)])
        lab.progress(f"{count} times two blocks are exchanged")
    return {"accuracy": whole, "drops": drops, "missing": missing, "orders": orders}


def of_plain(model, accuracy):
    """What a plain network of 20 layers loses with each of the blocks that keep the shape."""
    whole = accuracy(model)
    blocks = [f"stage{stage}.{block}" for stage, first in ((1, 0), (2, 1), (3, 1)) for block in range(first, 3)]
    drops = [whole - accuracy(lesions.bypass(model, block, image=(1, 8, 8))) for block in blocks]
    return {"plain_accuracy": whole, "plain_drops": drops}


def without(model, blocks):
    for block in blocks:
        model = lesions.delete(model, f"{block}.add")
    return model


def shuffled(stages, swaps, rng):
    """The blocks of all stages in one list, after some exchanges of two blocks of one stage."""
    stages = [list(stage) for stage in stages]
    for _ in range(swaps):
        stage = stages[rng.integers(len(stages))]
        a, b = rng.choice(len(stage), 2, replace=False)
        stage[a], stage[b] = stage[b], stage[a]
    return sum(stages, [])


def kendall(ranks):
    """Kendall's tau of different numbers: 1 where they increase, -1 where they decrease."""
    return float(np.mean([np.sign(b - a) for a, b in itertools.combinations(ranks, 2)]))


def spearman(pairs):
    """Spearman's correlation of ranks of the two columns; equal numbers share the mean of their ranks."""
    ranks = [
        np.mean([column < np.c_[column], column <= np.c_[column]], axis=0).sum(1) for column in np.transpose(pairs)
    ]
    with np.errstate(invalid="ignore"):  # NaN where all ranks are equal
        return float(np.corrcoef(ranks)[0, 1])


def of_means(orders):
    """Of the means over the orders of each number of exchanges: -1, -.9, -.8, -.7, -.6 and so on."""
    return spearman(np.mean(orders, axis=1))


def verdict(numbers):
    (data,) = numbers[0]
    numbers = [n[data] for n in numbers]

    def each(function, name):
        return tuple(float(function(n[name])) for n in numbers)

    checks = [
        Check("median loss of accuracy of resnet56 without one block", each(np.median, "drops"), at_most=0.03),
        Check("Spearman's rho of missing blocks and error", each(spearman, "missing"), at_least=0.9),
        Check("Spearman's rho of order (Kendall's tau) and error", each(of_means, "orders"), at_most=-0.65),
    ]
    if "plain_drops" in numbers[0]:
        median = each(np.median, "plain_drops")
        checks.append(Check("median loss of accuracy of plain20 without one block", median, at_least=0.3))
    worst = [max(n["drops"]) for n in numbers]
    condition = ""
    if max(worst) >= CARRIES:
        carry = sorted({block for n in numbers for block, drop in enumerate(n["drops"]) if drop >= CARRIES})
        condition = (
            f"Not of every block: without the one that matters most {min(worst):.2f} to {max(worst):.2f} of the "
            f"accuracy are lost; blocks whose loss costs {CARRIES} or more: {', '.join(map(str, carry))}."
        )
    return Verdict(tuple(checks), condition)


def draw(numbers, figure):
    (n,) = numbers[0].values()
    drops, missing, orders = figure.subplots(1, 3, width_ratios=(2, 1, 1))
    drops.bar(range(len(n["drops"])), n["drops"], label="resnet56")
    if "plain_drops" in n:
        places = [-1 - block for block in range(len(n["plain_drops"]))]
        drops.bar(places, n["plain_drops"][::-1], label="plain20")
        drops.set_xticks([])
    drops.set_xlabel("one block is missing, from first to last")
    drops.set_ylabel("loss of accuracy")
    drops.legend(frameon=False)
    missing.plot(*np.transpose(n["missing"]), "o-")
    missing.set_xlabel("blocks that are missing")
    missing.set_ylabel("error")
    for count, drawn in zip(SWAPS, n["orders"]):
        orders.plot(*np.transpose(drawn), "o", markersize=4, alpha=0.7, label=f"{count}")
    orders.legend(frameon=False, title="exchanges", loc="upper left", bbox_to_anchor=(1, 1))
    orders.set_xlabel("Kendall's tau")
    orders.set_ylabel("error")


def shortcut_cut():
    """What is deleted of a block is its shortcut: y = F(x)."""
    return patched(lesions, delete=lambda model, path: replace(model, {path: model.at(path).branch}))


EXPERIMENT = Experiment(
    "lesions",
    CLAIM,
    measure,
    verdict,
    draw,
    expected="HOLDS WITH A CONDITION",
    breaks={"the shortcut is cut, not the branch": shortcut_cut},
)
