"""Do neighbouring blocks of a residual network hold the same features? Their similarity, trained and as drawn."""

import numpy as np

from ..data import Normalize
from ..layers import Identity, Residual, observe
from ..models import build
from .experiment import CONDITION, Check, Claim, Experiment, Verdict
from .lab import without_addition

CLAIM = Claim(
    sentence="Blocks of a residual network refine what they get step by step: neighbours hold almost the same.",
    article="derivation of residual networks, HO-ResNet",
    paper="Greff et al. 2017; measured as in Kornblith et al. 2019, linear CKA",
)
NAME, BLOCK = "digits_resnet56", {"block": "full_preact"}
IMAGES = 200


def cka(a, b):
    """Similarity of two sets of features of the same images, 0 to 1; turns and scale are free. (N, D), (N, E)"""
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    a, b = a @ a.T, b @ b.T
    return float((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum()))


def features(model, images):
    """(whether the shape changes, features behind it) of each block, from first to last."""
    found = []

    def see(path, layer, x, y):
        if isinstance(layer, Residual):
            changed = not isinstance(layer.shortcut, Identity)
            found.append((changed, y.reshape(len(y), -1).astype(np.float64)))

    # as in training: a network as drawn has no running statistics
    observe(model, see).forward(images, train=True)
    return found


def measure(seed, quick, lab):
    images = Normalize.of(lab.digits[0])(lab.digits[1].images[:IMAGES], np.float32)
    numbers = {}
    for name, model in (("trained", lab.trained(NAME, seed, **BLOCK)[0]), ("fresh", build(NAME, rng=seed, **BLOCK))):
        found = features(model, images)
        pairs = [(changed, cka(a, b)) for (_, a), (changed, b) in zip(found, found[1:], strict=False)]
        numbers[name] = {
            "within": [value for changed, value in pairs if not changed],
            "changes": [value for changed, value in pairs if changed],
            "ends": cka(found[0][1], found[-1][1]),
        }
    return numbers


def verdict(numbers):
    def middle(name):
        return tuple(float(np.median(n[name]["within"])) for n in numbers)

    return Verdict(
        (
            Check("trained: CKA of neighbours within a stage, median", middle("trained"), at_least=0.98),
            Check("fresh: CKA of neighbours within a stage, median", middle("fresh"), at_least=0.95),
            Check(
                "trained: CKA of the first block and the last",
                tuple(n["trained"]["ends"] for n in numbers),
                at_most=0.9,
            ),
        ),
        condition="but it is so before any training, as x is a part of x + F(x), and no sign of something learned",
    )


def draw(numbers, figure):
    axes = figure.subplots()
    for name in ("trained", "fresh"):
        values = np.mean([n[name]["within"] for n in numbers], axis=0)
        axes.plot(range(1, len(values) + 1), values, "o-", label=name)
    axes.set_xlabel("pair of neighbours within a stage")
    axes.set_ylabel("CKA")
    axes.legend(frameon=False)


EXPERIMENT = Experiment(
    "similar_blocks",
    CLAIM,
    measure,
    verdict,
    draw,
    expected=CONDITION,
    breaks={"the blocks lose their addition": without_addition},
)
