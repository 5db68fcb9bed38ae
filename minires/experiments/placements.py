"""Where batch norm and ReLU stand in a block: behind the addition batch norm hampers, elsewhere the network trains."""

import sys

from .experiment import Check, Claim, Experiment, Verdict
from .lab import patched

CLAIM = Claim(
    sentence="Batch norm behind the addition hampers what the shortcut passes on, and the loss falls slowly from the "
    "beginning; with the other placements of batch norm and ReLU a deep network trains.",
    article="derivation of residual networks, variants of ResNet: (a) to (e)",
    paper="He et al. 2016, section 4.1, table 2 and figure 6",
)
NETWORK, EPOCHS = "digits_resnet56", 6
EARLY = slice(1, 3)  # in the first epoch the rate warms up, and all losses are near log 10
SLOW = "bn_after_add"
OPTIONS = {
    "original": {"block": "original"},
    SLOW: {"block": SLOW},
    "relu_before_add": {"block": "relu_before_add", "tail": "bn relu"},  # without that tail: relu_before_add.py
    "relu_only_preact": {"block": "relu_only_preact"},
    "full_preact": {"block": "full_preact"},
}


def measure(seed, quick, lab):
    found = {}
    for name, options in OPTIONS.items():
        rows = lab.trained(NETWORK, seed, EPOCHS if quick else 3 * EPOCHS, **options)[1]
        found[name] = {key: [row[key] for row in rows] for key in ("train_loss", "test_accuracy")}
    return found


def verdict(numbers):
    others = [name for name in OPTIONS if name != SLOW]

    def ratio(n, name, epochs):
        return min(slow / other for slow, other in zip(n[SLOW]["train_loss"][epochs], n[name]["train_loss"][epochs]))

    early = tuple(min(ratio(n, name, EARLY) for name in others) for n in numbers)
    checks = [Check(f"training loss of {SLOW} / the highest of the others, in the second and third epoch", early, 1)]
    for name in others:
        end = tuple(ratio(n, name, slice(-1, None)) for n in numbers)
        checks.append(Check(f"training loss of {SLOW} / {name}, at the end", end, at_least=5))
        accuracy = tuple(n[name]["test_accuracy"][-1] for n in numbers)
        checks.append(Check(f"test accuracy of {name}", accuracy, at_least=0.95))
    return Verdict(tuple(checks))


def draw(numbers, figure):
    axes = figure.subplots()
    for name in OPTIONS:
        loss = numbers[0][name]["train_loss"]
        axes.semilogy(range(1, len(loss) + 1), loss, "o-", markersize=4, label=name)
    axes.set_xlabel("epoch")
    axes.set_ylabel("training loss")
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))


def nothing_behind_the_addition():
    """The block with batch norm behind the addition is built as the original."""
    return patched(sys.modules[__name__], OPTIONS=OPTIONS | {SLOW: OPTIONS["original"]})


EXPERIMENT = Experiment(
    "placements",
    CLAIM,
    measure,
    verdict,
    draw,
    breaks={"no batch norm behind the addition": nothing_behind_the_addition},
)
