"""Deeper plain networks train worse, residual networks do not."""

import math

from .. import models
from ..data import load
from .experiment import Check, Claim, Experiment, Verdict
from .lab import without_addition

CLAIM = Claim(
    sentence="With more layers a plain network gets worse, on the training images too, so that it does not overfit; "
    "a residual network of the same depth does not get worse.",
    article="all five articles, degradation",
    paper="He et al. 2015, figures 1 and 6",
)
QUICK, FULL = (8, 20, 56), (20, 56)
EPOCHS = {"digits": 10, "cifar10": 10}
# four networks on a part of CIFAR-10: minutes on two cores
FULL_RECIPE = {"lr": 0.1, "augment": "crop-flip", "limit_train": 10000, "limit_test": 2000}
CURVES = {"train_loss": "training loss", "train_accuracy": "training accuracy", "test_accuracy": "test accuracy"}
# of 56 layers, at the end: training loss of plain / plain20, test accuracy of residual - plain, training accuracy of
# plain20 - plain. Ten epochs of 10,000 images of CIFAR-10 are far from the end of a training
LEAST = {"digits": (3, 0.4, 0.3), "cifar10": (1.25, 0.1, 0.1)}


def measure(seed, quick, lab):
    data = "digits" if quick else "cifar10"
    names = [f"{kind}{depth}" for depth in (QUICK if quick else FULL) for kind in ("plain", "resnet")]
    return {data: {name: on_digits(name, seed, lab) if quick else on_cifar10(name, seed, lab) for name in names}}


def on_digits(name, seed, lab):
    epochs = EPOCHS["digits"]
    return curves(lab.trained(f"digits_{name}", seed, epochs)[1], epochs)


def on_cifar10(name, seed, lab):
    epochs = EPOCHS["cifar10"]

    def train():
        data = load("cifar10", "train", lab.data_dir), load("cifar10", "test", lab.data_dir)
        rows = lab.train(models.build(name, rng=seed), epochs, seed=seed, data=data, about=name, **FULL_RECIPE)
        return curves(rows, epochs)

    return lab.part(f"degradation-{seed}-{name}", train)


def curves(rows, epochs):
    """{name of a number: its value in each epoch}; NaN in those that a diverged training did not reach."""
    return {name: [row[name] for row in rows] + [math.nan] * (epochs - len(rows)) for name in CURVES}


def verdict(numbers):
    return Verdict(tuple(check for data in numbers[0] for check in _checks(data, [n[data] for n in numbers])))


def _checks(data, nets):
    def last(name, number):
        return [net[name][number][-1] for net in nets]

    def ratio(a, b):
        return tuple(x / y for x, y in zip(last(a, "train_loss"), last(b, "train_loss")))

    def gap(a, b, number):
        return tuple(x - y for x, y in zip(last(a, number), last(b, number)))

    worse, test, train = LEAST[data]
    return (
        Check("training loss of plain56 / plain20", ratio("plain56", "plain20"), at_least=worse),
        Check("training loss of resnet56 / plain20", ratio("resnet56", "plain20"), at_most=1),
        Check("test accuracy of resnet56 - plain56", gap("resnet56", "plain56", "test_accuracy"), at_least=test),
        Check("training accuracy of plain20 - plain56", gap("plain20", "plain56", "train_accuracy"), at_least=train),
    )


def draw(numbers, figure):
    (nets,) = numbers[0].values()
    depths = sorted({int(name.removeprefix("plain")) for name in nets if name.startswith("plain")})
    panels = figure.subplots(1, len(CURVES))
    for axes, (number, label) in zip(panels, CURVES.items()):
        for line, kind in (("o--", "plain"), ("o-", "resnet")):
            for color, depth in enumerate(depths):
                values = nets[f"{kind}{depth}"][number]
                style = {"color": f"C{color}", "markersize": 3, "label": f"{kind}{depth}"}
                axes.plot(range(1, len(values) + 1), values, line, **style)
        axes.set_xlabel("epoch")
        axes.set_ylabel(label)
        axes.xaxis.get_major_locator().set_params(integer=True)
    panels[-1].legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))


EXPERIMENT = Experiment(
    "degradation", CLAIM, measure, verdict, draw, breaks={"Residual without its addition": without_addition}
)
