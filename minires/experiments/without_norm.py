"""Without batch norm 56 layers train if every block starts near its shortcut: SkipInit, 1/sqrt(n), Fixup."""

import contextlib

import numpy as np

from ..data import Normalize
from ..layers import Gain, Residual, Sequential, observe
from ..models import build
from .experiment import CONDITION, Check, Claim, Experiment, Verdict
from .lab import patched

CLAIM = Claim(
    sentence="What batch norm gives a deep residual network is blocks that start near the identity: one number before "
    "each branch, started at 0, does that without it, and He's initialisation alone does not.",
    article="derivation of residual networks, section 1",
    paper="De & Smith 2020, section 4; Zhang, Dauphin & Ma 2019, section 3",
)
NAME, BLOCKS, EPOCHS = "digits_resnet56", 27, 5
NET = {"norm": None, "block": "full_preact"}
RATES = {"he": 0.1, "he at a fifth": 0.02, "one over root n": 0.05, "skipinit": 0.1, "fixup": 0.1}
LEAST = {"batch norm": 0.85, "skipinit": 0.85, "fixup": 0.85, "one over root n": 0.6}
SCALAR_RATES = {"fixup": 0.1}  # as in its paper
DRAWS = 10
WORDS = {
    "he": "He alone",
    "he at a fifth": "He, a fifth of the rate",
    "one over root n": "1/sqrt(n), half of the rate",
    "skipinit": "SkipInit",
    "fixup": "Fixup",
    "batch norm": "batch norm",
}


def network(start, seed):
    model = build(NAME, rng=seed, **NET, init=start if start in ("skipinit", "fixup") else None)
    if start == "one over root n":
        for _, layer in model.walk():
            if isinstance(layer, Residual):
                layer.branch = Sequential(**dict(layer.branch.children()), gain=Gain(BLOCKS**-0.5))
    return model


def growth(start, seed, images):
    """Factor by which mean x^2 grows from block to block in the first stage of fresh networks, geometric mean."""
    sizes, logs = [], []

    def see(path, layer, x, y):
        if isinstance(layer, Residual):
            sizes.append(float(np.square(y, dtype=np.float64).mean()))

    for draw in range(DRAWS):
        model = network(start, DRAWS * seed + draw)
        sizes.clear()
        observe(model["stage1"], see)(model["stem"](images))
        logs.append(np.log(sizes[-1] / sizes[0]) / (len(sizes) - 1))
    return float(np.exp(np.mean(logs)))


def measure(seed, quick, lab):
    train, epochs = lab.digits[0], EPOCHS if quick else 3 * EPOCHS
    images = Normalize.of(train)(train.images[:64], np.float32)
    numbers = {
        "growth": {start: growth(start, seed, images) for start in ("he", "skipinit")},
        "loss": {},
        "accuracy": {},
    }
    for start, lr in RATES.items():
        scalar_rate = SCALAR_RATES.get(start, 1.0)
        about = WORDS[start]
        rows = lab.train(network(start, seed), epochs, seed=seed, lr=lr, scalar_rate=scalar_rate, about=about)
        numbers["loss"][start] = [row["train_loss"] for row in rows]
        numbers["accuracy"][start] = rows[-1]["test_accuracy"] if len(rows) == epochs else 0.0
    _, rows = lab.trained(NAME, seed)
    numbers["loss"]["batch norm"] = [row["train_loss"] for row in rows]
    numbers["accuracy"]["batch norm"] = rows[-1]["test_accuracy"]
    return numbers


def verdict(numbers):
    def each(name, start):
        return tuple(n[name][start] for n in numbers)

    return Verdict(
        (
            *(Check(f"test accuracy, {WORDS[s]}", each("accuracy", s), at_least=least) for s, least in LEAST.items()),
            Check("test accuracy, He alone", each("accuracy", "he"), at_most=0.3),
            Check("growth of x^2 a block, He alone", each("growth", "he"), 1.4, 2.0),
            Check("growth of x^2 a block, SkipInit", each("growth", "skipinit"), 1.0, 1.0),
        ),
        condition="at the rate at which the others learn: at a fifth of it He's rule alone gets as far as a test "
        f"accuracy of {max(each('accuracy', 'he at a fifth')):.2g}",
    )


def draw(numbers, figure):
    axes = figure.subplots()
    for start, words in WORDS.items():
        losses = numbers[0]["loss"][start]
        axes.plot(range(1, len(losses) + 1), losses, "o-", label=words)
    axes.set_xlabel("epoch")
    axes.set_ylabel("training loss")
    figure.legend(loc="outside lower left", ncols=2)


@contextlib.contextmanager
def unit_gain():
    """The branches of SkipInit start at 1 times themselves: He's rule alone, with a number that may learn."""

    def make(self, start=1.0):
        right(self, 1.0)

    right = Gain.__init__
    with patched(Gain, __init__=make):
        yield


EXPERIMENT = Experiment(
    "without_norm",
    CLAIM,
    measure,
    verdict,
    draw,
    expected=CONDITION,
    breaks={"SkipInit's number starts at one, not at zero": unit_gain},
)
