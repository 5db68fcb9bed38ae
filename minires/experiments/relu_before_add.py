"""ReLU in front of the addition: the signal only grows, and what suffers is the head."""

import sys

import numpy as np

from ..data import Normalize
from ..layers import Residual, observe
from .experiment import Check, Claim, Experiment, Verdict
from .lab import patched

CLAIM = Claim(
    sentence="With ReLU in front of the addition the residual is never negative, so that the signal only grows on its "
    "way forward, and the network is worse than the original.",
    article="derivation of residual networks, variant (c)",
    paper="He et al. 2016, section 4.1",
)
NETWORK, EPOCHS = "digits_resnet56", 6
OPTIONS = {
    "original": {"block": "original"},
    "as built": {"block": "relu_before_add"},
    "normalised": {"block": "relu_before_add", "tail": "bn relu"},
}


def measure(seed, quick, lab):
    """Of each network its test accuracy, of the one as built what its blocks add to the digits."""
    epochs = EPOCHS if quick else 3 * EPOCHS
    trained = {name: lab.trained(NETWORK, seed, epochs, **options) for name, options in OPTIONS.items()}
    found = {name: rows[-1]["test_accuracy"] if rows else 0.0 for name, (_, rows) in trained.items()}
    x = Normalize.of(lab.digits[0])(lab.digits[1].images, np.float32)
    return {"accuracy": found} | signals(trained["as built"][0], x)


def signals(model, x):
    """Behind each block the mean of the signal; the least that a block adds anywhere, where it keeps the shape."""
    means, least = [], []

    def see(path, layer, x, y):
        if isinstance(layer, Residual):
            means.append(float(y.mean()))
            least.extend([float((y - x).min())] if x.shape == y.shape else [])

    observe(model, see).forward(x)
    return {"means": means, "least": min(least)}


def verdict(numbers):
    def accuracy(name):
        return [n["accuracy"][name] for n in numbers]

    lost = tuple(np.subtract(accuracy("original"), accuracy("as built")).tolist())
    checks = (
        Check("least that a block adds to any value", tuple(n["least"] for n in numbers), at_least=0),
        Check("test accuracy of the original - relu_before_add", lost, at_least=0.1),
        Check("test accuracy with batch norm and ReLU in front of the head", tuple(accuracy("normalised")), 0.95),
    )
    condition = (
        f"Only if the head sees the signal as it is: there relu_before_add reaches {min(accuracy('as built')):.2f} to "
        f"{max(accuracy('as built')):.2f}, with batch norm and ReLU in front of the head "
        f"{min(accuracy('normalised')):.2f} to {max(accuracy('normalised')):.2f}."
    )
    return Verdict(checks, condition)


def draw(numbers, figure):
    signal, accuracy = figure.subplots(1, 2, width_ratios=(4, 5))
    for n in numbers:
        signal.plot(n["means"], "o-", markersize=3)
    signal.set_xlabel("block")
    signal.set_ylabel("mean of the signal behind it")
    for place, name in enumerate(OPTIONS):
        accuracy.plot([place] * len(numbers), [n["accuracy"][name] for n in numbers], "o")
    accuracy.set_xticks(range(len(OPTIONS)), ["original", "as built", "BN-ReLU\nat the end"])
    accuracy.set_ylabel("test accuracy")
    accuracy.set_ylim(0, 1.02)


def head_as_it_is():
    """The tail that mends it is left out."""
    return patched(sys.modules[__name__], OPTIONS=OPTIONS | {"normalised": OPTIONS["as built"]})


EXPERIMENT = Experiment(
    "relu_before_add",
    CLAIM,
    measure,
    verdict,
    draw,
    expected="HOLDS WITH A CONDITION",
    breaks={"nothing in front of the head": head_as_it_is},
)
