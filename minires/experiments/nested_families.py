"""A deeper network can be the shallower one, to the bit, and then trains on without getting worse."""

import numpy as np

from .. import models
from ..data import Loader, Normalize
from ..layers import BatchNorm2d, Conv2d, ReLU, Residual, Sequential
from ..train import evaluate
from .experiment import Check, Claim, Experiment, Verdict
from .lab import patched

CLAIM = Claim(
    sentence="A deeper residual network contains the shallower one: with identity mappings as its new blocks it cannot "
    "be worse, for its family of functions is nested in the larger one.",
    article="degradation and function families, nested families",
    paper="He et al. 2015, section 3.1; Zhang et al., Dive into Deep Learning, section 8.6",
)
SHALLOW = "digits_resnet20"
QUICK, FULL = ("digits_resnet32", 3), ("digits_resnet56", 20)  # what it becomes, and for how many epochs
DEGREES = range(13)


def measure(seed, quick, lab):
    name, epochs = QUICK if quick else FULL
    shallow, _ = lab.trained(SHALLOW, seed)
    deep = deepened(shallow, models.build(name, rng=seed))
    train = lab.digits[0]
    normalize = Normalize.of(train)
    images = normalize(train.images, np.float32)
    differ = int((lab.fast(deep)(images) != lab.fast(shallow)(images)).sum())
    before = evaluate(
        lab.fast(shallow), Loader(train, 256, seed=0, shuffle=False, normalize=normalize, prefetch=0)
    ).loss
    settings = {"data": (train, train), "lr": 0.005, "schedule": "constant", "warmup": 0, "about": "deeper"}
    rows = lab.train(deep, epochs, seed=seed, **settings)
    return {
        "differing logits": differ,
        "losses": [before, *(row["test_loss"] for row in rows)],
        "plain block": plain_identity(np.random.default_rng(seed)),
        "errors": errors(np.random.default_rng(seed)),
    }


def deepened(shallow, deep):
    """``deep`` with the tensors of ``shallow``, and last scales of 0 in the blocks that it has beyond it: F = 0."""
    known = dict(shallow.tensors())
    for path, tensor in deep.tensors():
        if path in known:
            tensor.data[...] = known[path].data
        elif path.endswith("bn2.gamma"):
            tensor.data[...] = 0
    return deep


def plain_identity(rng):
    """|y - x| / |x| of a block without a shortcut whose convolutions copy and whose norms undo themselves."""
    x = np.abs(rng.standard_normal((4, 8, 8, 8)))
    conv, norm = Conv2d(8, 8, 3, padding=1, rng=rng), BatchNorm2d(8)
    block = Sequential(conv, norm, ReLU()).to(dtype=np.float64)
    conv.weight.data[...] = 0
    conv.weight.data[np.arange(8), np.arange(8), 1, 1] = 1
    norm.gamma.data, norm.beta.data = np.sqrt(x.var((0, 2, 3)) + norm.eps), x.mean((0, 2, 3))
    y, _ = block.forward(x, train=True)
    return float(np.abs(block.forward(y, train=True)[0] - x).max() / x.max())


def errors(rng):
    """Least errors of fits to the same points, in families that grow: of polynomials, and of one frequency each."""
    t = np.linspace(-1, 1, 50)
    y = np.sin(4 * t) + np.abs(t) + 0.1 * rng.standard_normal(len(t))

    def error(columns):
        basis = np.stack(columns, 1)
        return float(np.mean((basis @ np.linalg.lstsq(basis, y, rcond=None)[0] - y) ** 2))

    waves = {k: [np.cos(k * t), np.sin(k * t)] for k in DEGREES}
    return {
        "nested": [error([t**i for i in range(degree + 1)]) for degree in DEGREES],
        "not nested": [error(waves[k]) for k in DEGREES],
    }


def highest(numbers):
    """The highest loss while the deeper network trains, less that before."""
    before, *after = numbers["losses"]
    return max(after, default=np.inf) - before


def rise(values):
    """The largest rise from one value to the next."""
    return float(np.diff(values).max())


def verdict(numbers):
    def of(function):
        return tuple(function(n) for n in numbers)

    return Verdict(
        (
            Check("logits that differ once the network is deeper", of(lambda n: n["differing logits"]), 0, 0),
            Check("highest training loss after it - before", of(highest), at_most=1e-3),
            Check("difference of a plain block from the identity", of(lambda n: n["plain block"]), at_most=1e-12),
            Check("rise of the error in nested families", of(lambda n: rise(n["errors"]["nested"])), at_most=1e-9),
            Check("rise in families that are not nested", of(lambda n: rise(n["errors"]["not nested"])), at_least=0.01),
        ),
        "plain networks are nested too, since a block of theirs can be the identity: what differs is whether training "
        "finds it",
    )


def draw(numbers, figure):
    left, right = figure.subplots(1, 2)
    for n in numbers:
        left.plot(range(len(n["losses"])), n["losses"], "o-", color="C0")
    left.set_xlabel("epochs after it was deepened")
    left.set_ylabel("training loss")
    for name, values in numbers[0]["errors"].items():
        right.semilogy(DEGREES, values, "o-", label=name)
    right.set_xlabel("size of the family")
    right.set_ylabel("error of the best fit")
    right.legend(frameon=False)


def without_shortcut():
    """A new block gives 0, not x."""

    def forward(self, x, train=False):
        y, cache = right(self, x, train)
        return y - x if y.shape == x.shape else y, cache

    right = Residual.forward
    return patched(Residual, forward=forward)


EXPERIMENT = Experiment(
    "nested_families",
    CLAIM,
    measure,
    verdict,
    draw,
    expected="HOLDS WITH A CONDITION",
    breaks={"a residual block without its shortcut": without_shortcut},
)
