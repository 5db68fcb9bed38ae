"""Is the identity enough? A plain network of 56 layers whose layers start as the identity."""

import sys
from statistics import median_low

import numpy as np

from ..layers import Conv2d
from ..models import build
from .experiment import CONDITION, Check, Claim, Experiment, Verdict
from .lab import patched

CLAIM = Claim(
    sentence="Deep plain networks get worse because nonlinear layers do not easily become the identity.",
    article="residuals and shortcuts, learning residuals",
    paper="He et al. 2015, section 3.1",
)
PLAIN, RESIDUAL = "digits_plain56", "digits_resnet56"
EPOCHS, NOISE = 6, 0.1


def start(weight):
    """The kernel at which a convolution starts: ``NOISE`` times itself, and the identity. weight: (M, C, 3, 3)

    Where there are more channels behind it, those before it are repeated.
    """
    identity = np.zeros_like(weight)
    for out in range(len(weight)):
        identity[out, out % weight.shape[1], 1, 1] = 1
    return identity + np.float32(NOISE) * weight


def at_the_identity(seed):
    model = build(PLAIN, rng=seed)
    for path, layer in model.walk():
        if isinstance(layer, Conv2d) and path.startswith("stage"):
            layer.weight.data[...] = start(layer.weight.data)
    return model


def measure(seed, quick, lab):
    epochs = EPOCHS if quick else 5 * EPOCHS
    rows = {
        "He's rule": lab.trained(PLAIN, seed, epochs)[1],
        "identity": lab.train(at_the_identity(seed), epochs, seed=seed, about="plain56 from the identity"),
        "residual": lab.trained(RESIDUAL, seed, epochs)[1],
    }
    return {
        "loss": {name: [row["train_loss"] for row in found] for name, found in rows.items()},
        "accuracy": {name: found[-1]["test_accuracy"] for name, found in rows.items()},
    }


def verdict(numbers):
    each = {name: tuple(n["accuracy"][name] for n in numbers) for name in numbers[0]["accuracy"]}
    drawn = each["He's rule"]
    gained = tuple(a - b for a, b in zip(each["identity"], drawn, strict=True))
    missed = tuple(a - b for a, b in zip(each["residual"], each["identity"], strict=True))
    return Verdict(
        (
            Check("test accuracy, plain56 from the identity, gained on He's rule", gained, at_least=0.15),
            Check("test accuracy, resnet56", each["residual"], at_least=0.95),
            Check("test accuracy, resnet56 - plain56 from the identity", missed, at_least=0.03),
        ),
        condition="that is a part of it: plain56 that starts at the identity reaches a test accuracy of "
        f"{median_low(each['identity']):.2f}, by He's rule {median_low(drawn):.2f}, and with shortcuts, "
        f"which keep the identity, {median_low(each['residual']):.2f}",
    )


def draw(numbers, figure):
    axes = figure.subplots()
    for name, words in (("He's rule", "plain56"), ("identity", "plain56 from the identity"), ("residual", "resnet56")):
        for i, n in enumerate(numbers):
            losses = n["loss"][name]
            colour = f"C{list(n['loss']).index(name)}"
            axes.plot(range(1, len(losses) + 1), losses, "o-", color=colour, label=None if i else words)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("epoch")
    axes.set_ylabel("training loss")
    axes.legend(frameon=False, ncols=3, loc="lower left", bbox_to_anchor=(0, 1), columnspacing=1)


def noise_alone():
    """The kernels start as they would have: by He's rule."""
    return patched(sys.modules[__name__], start=lambda weight: weight)


EXPERIMENT = Experiment(
    "starts_at_identity",
    CLAIM,
    measure,
    verdict,
    draw,
    expected=CONDITION,
    breaks={"the identity is left out": noise_alone},
)
