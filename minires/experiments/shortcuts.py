"""What stands on the shortcut: the more it differs from the identity, the harder a deep network is to train."""

import sys

from .experiment import Check, Claim, Experiment, Verdict
from .lab import patched

CLAIM = Claim(
    sentence="Scaling, gating, 1x1 convolutions and dropout on the shortcut hamper the signal and lead to higher "
    "errors than the identity.",
    article="derivation of residual networks, identity mappings",
    paper="He et al. 2016, section 3.1, table 1",
)
NETWORK, EPOCHS = "digits_resnet56", 6
OPTIONS = {
    "identity": {},
    "scale": {"shortcut": "scale"},
    "scale-shortcut": {"shortcut": "scale-shortcut"},
    "exclusive-gate, b=0": {"shortcut": "exclusive-gate", "gate_bias": 0.0},
    "exclusive-gate, b=-3": {"shortcut": "exclusive-gate", "gate_bias": -3.0},
    "shortcut-gate, b=0": {"shortcut": "shortcut-gate", "gate_bias": 0.0},
    "shortcut-gate, b=-6": {"shortcut": "shortcut-gate", "gate_bias": -6.0},
    "conv1x1": {"shortcut": "conv1x1"},
    "dropout": {"shortcut": "dropout"},  # inverted: what is left is doubled, where the paper's is not
}
HAMPERED = ("scale", "scale-shortcut", "exclusive-gate, b=0", "shortcut-gate, b=0", "dropout")
NEARLY = ("exclusive-gate, b=-3", "shortcut-gate, b=-6")  # gates that begin almost as the identity


def measure(seed, quick, lab):
    found = {}
    for name, options in OPTIONS.items():
        epochs = EPOCHS if quick else 3 * EPOCHS
        rows = lab.trained(NETWORK, seed, epochs, block="full_preact", **options)[1]
        found[name] = {key: [row[key] for row in rows] for key in ("train_loss", "test_accuracy")}
    return found


def accuracy(n, name):
    """After the last epoch; 0 where there was none, because the loss was no longer finite."""
    return (n[name]["test_accuracy"] or [0.0])[-1]


def verdict(numbers):
    lead = tuple(
        accuracy(n, "identity") - max(accuracy(n, name) for name in OPTIONS if name != "identity") for n in numbers
    )
    checks = [Check("test accuracy of the identity - the best of the others", lead, at_least=-0.02)]
    for names, bounds in ((HAMPERED, {"at_most": 0.6}), (NEARLY, {"at_least": 0.9})):
        for name in names:
            checks.append(Check(f"test accuracy of {name}", tuple(accuracy(n, name) for n in numbers), **bounds))
    return Verdict(tuple(checks))


def draw(numbers, figure):
    axes = figure.subplots()
    for n in numbers:
        axes.plot([accuracy(n, name) for name in OPTIONS], range(len(OPTIONS)), "o")
    axes.set_yticks(range(len(OPTIONS)), OPTIONS)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.02)
    axes.set_xlabel(f"test accuracy after {len(numbers[0]['identity']['train_loss'])} epochs, one colour a seed")
    axes.grid(axis="x", alpha=0.3)


def identities():
    """Where the paper halves the shortcut there is the identity."""
    return patched(sys.modules[__name__], OPTIONS=OPTIONS | dict.fromkeys(HAMPERED, {}))


EXPERIMENT = Experiment(
    "shortcuts", CLAIM, measure, verdict, draw, breaks={"the identity in place of what hampers": identities}
)
