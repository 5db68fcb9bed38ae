"""The loss around trained networks, along random directions scaled filter by filter: with shortcuts it is wide."""

import contextlib
import copy
import sys

import numpy as np

from ..data import Normalize
from ..losses import SoftmaxCrossEntropy
from .experiment import CONDITION, Check, Claim, Experiment, Verdict
from .lab import patched

CLAIM = Claim(
    sentence="With shortcuts the loss around a trained network stays low however deep it is; without them it becomes "
    "steep with depth.",
    article="degradation and function families, degradation",
    paper="Li et al. 2018, sections 4 and 5",
)
EPOCHS = {"resnet20": 10, "plain20": 10, "resnet56": 10, "plain56": 20}
REACH, STEP = 0.5, 0.05
STEPS = np.round(np.arange(-REACH, REACH + STEP / 2, STEP), 10)  # of the norm of each filter
QUARTER = np.abs(STEPS) == 0.25
RAYS, IMAGES, RISE = 6, 128, 0.5


def direction(filters, rng):
    """A random direction; every filter of it is as long as that of the network. filters: {path: array (M, ...)}"""
    return {path: scaled(rng.standard_normal(weight.shape), weight) for path, weight in filters.items()}


def scaled(noise, weight):
    """``noise`` with the norms of the filters ``weight[m]``. Both: (M, ...)"""
    axes = tuple(range(1, weight.ndim))
    return noise * np.sqrt((weight**2).sum(axes, keepdims=True) / (noise**2).sum(axes, keepdims=True))


def around(model, lab, seed, rays):
    """The loss at each of STEPS along ``rays`` directions. Batch norm keeps its parameters and its statistics."""
    model, rng, train = copy.deepcopy(model), np.random.default_rng(seed), lab.digits[0]
    images, labels = Normalize.of(train)(train.images[:IMAGES], np.float32), train.labels[:IMAGES]
    fast, loss = lab.fast(model), SoftmaxCrossEntropy()
    params = {path: p for path, p in model.params() if p.data.ndim > 1}
    centre = {path: p.data.copy() for path, p in params.items()}
    found = []
    for _ in range(rays):
        way, losses = direction(centre, rng), []
        for step in STEPS:
            for path, p in params.items():
                p.data[...] = centre[path] + step * way[path]
            losses.append(float(loss.forward(fast(images), labels)[0]))
        found.append(losses)
    return found


def measure(seed, quick, lab):
    losses = {}
    for name, epochs in EPOCHS.items():
        model, _ = lab.trained(f"digits_{name}", seed, epochs)
        losses[name] = around(model, lab, seed, RAYS if quick else 5 * RAYS)
        lab.progress(f"the loss around {name}")
    return {
        "losses": losses,
        "centre": {name: ray[0][len(STEPS) // 2] for name, ray in losses.items()},
        "at a quarter": {name: float(np.median(np.array(rays)[:, QUARTER])) for name, rays in losses.items()},
        "width": {name: float(np.mean([width(ray) for ray in rays])) for name, rays in losses.items()},
    }


def width(losses):
    """STEP for each of the neighbouring steps around 0 at which the loss is less than RISE above that at 0."""
    middle = len(losses) // 2
    low = np.array(losses) < losses[middle] + RISE
    sides = low[middle + 1 :], low[middle - 1 :: -1]
    return STEP * (1 + sum(int(np.argmin([*side, False])) for side in sides))


def verdict(numbers):
    def ratio(name, other):
        return tuple(n["width"][name] / n["width"][other] for n in numbers)

    def rise(n, name):
        return n["at a quarter"][name] - n["centre"][name]

    low = tuple(n["at a quarter"]["resnet56"] for n in numbers)
    steeper = tuple(rise(n, "plain56") / rise(n, "resnet56") for n in numbers)
    return Verdict(
        (
            Check("width, resnet56 / resnet20", ratio("resnet56", "resnet20"), at_least=0.75),
            Check("width, plain56 / plain20", ratio("plain56", "plain20"), at_most=0.95),
            Check("width, plain56 / resnet56", ratio("plain56", "resnet56"), at_most=0.8),
            Check("loss at a quarter of a step, resnet56", low, at_most=0.5),
            Check("rise of the loss at a quarter of a step, plain56 / resnet56", steeper, at_least=3),
        ),
        condition="plain56 rests in no minimum: after twice the epochs of the others its loss is "
        f"{min(n['centre']['plain56'] for n in numbers):.2g} or more",
    )


def draw(numbers, figure):
    axes = figure.subplots()
    for name, rays in numbers[0]["losses"].items():
        axes.plot(STEPS, np.median(rays, axis=0), label=name)
    axes.set_ylim(0, 5)
    axes.set_xlabel("step, in norms of the filters")
    axes.set_ylabel("training loss")
    axes.legend(frameon=False)


@contextlib.contextmanager
def unscaled():
    """Every weight moves by as much, however large the filter is that it belongs to."""

    def scaled(noise, weight):
        return noise

    with patched(sys.modules[__name__], scaled=scaled):
        yield


EXPERIMENT = Experiment(
    "loss_landscape",
    CLAIM,
    measure,
    verdict,
    draw,
    expected=CONDITION,
    breaks={"the directions are not scaled to the filters": unscaled},
)
