"""Do the gradients of two batches point the same way, where the network is as drawn?"""

from statistics import median_low

import numpy as np

from ..data import Normalize
from ..losses import SoftmaxCrossEntropy
from ..models import build
from .experiment import CONDITION, Check, Claim, Experiment, Verdict
from .lab import without_addition

CLAIM = Claim(
    sentence="Shortcuts make the gradients of different examples agree, so that a step for one helps the others.",
    article="derivation of residual networks, shattered gradients",
    paper="Sankararaman et al. 2020, section 1; Balduzzi et al. 2017",
)
DEPTHS, BATCHES, BATCH, DRAWS = (20, 56), 8, 64, 6
NETS = {"plain": ("plain", {}), "resnet": ("resnet", {}), "full pre-activation": ("resnet", {"block": "full_preact"})}


def gradient(model, images, labels, loss):
    """The gradient of all weights with two axes or more, as one vector."""
    model.zero_grads()
    y, cache = model.forward(images, train=True)
    model.backward(loss.backward(loss.forward(y, labels)[1]), cache)
    return np.concatenate([p.grad.ravel() for _, p in model.params() if p.data.ndim > 1]).astype(np.float64)


def cosines(model, images, labels):
    """Of the gradients of every two batches."""
    batches = [slice(BATCH * i, BATCH * (i + 1)) for i in range(BATCHES)]
    found = [gradient(model, images[b], labels[b], SoftmaxCrossEntropy()) for b in batches]
    units = np.array(found) / np.linalg.norm(found, axis=1, keepdims=True)
    return (units @ units.T)[np.triu_indices(BATCHES, 1)]


def measure(seed, quick, lab):
    train = lab.digits[0].subset(np.random.default_rng(seed).permutation(len(lab.digits[0]))[: BATCHES * BATCH])
    images = Normalize.of(lab.digits[0])(train.images, np.float32)
    numbers = {}
    for name, (kind, options) in NETS.items():
        numbers[name] = []
        for depth in DEPTHS:
            found = []
            for draw in range(DRAWS if quick else 5 * DRAWS):
                model = build(f"digits_{kind}{depth}", rng=100 * seed + draw, **options)
                found.append(cosines(lab.fast(model), images, train.labels).mean())
            numbers[name].append(float(np.mean(found)))
            lab.progress(f"{name}, {depth} layers")
    return numbers


def verdict(numbers):
    (plain20, plain56), (resnet20, resnet56), (v2_20, v2_56) = (zip(*(n[name] for n in numbers)) for name in NETS)
    return Verdict(
        (
            Check("mean cosine, plain20", plain20, at_most=0.1),
            Check("mean cosine, plain56", plain56, at_most=0.05),
            Check("mean cosine, resnet20", resnet20, at_least=0.07),
            Check("mean cosine, resnet20, full pre-activation", v2_20, at_least=0.15),
            Check("mean cosine, resnet56, full pre-activation", v2_56, at_least=0.08),
        ),
        condition="most with full pre-activation; as first published they agree less and less with depth, by "
        f"{median_low(resnet20):.2f} at resnet20 and {median_low(resnet56):.2f} at resnet56",
    )


def draw(numbers, figure):
    axes = figure.subplots()
    for name in NETS:
        axes.plot(DEPTHS, np.mean([n[name] for n in numbers], axis=0), "o-", label=name)
    axes.set_xticks(DEPTHS)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("layers")
    axes.set_ylabel("cosine of two batches' gradients")
    axes.legend(frameon=False)


EXPERIMENT = Experiment(
    "gradient_confusion",
    CLAIM,
    measure,
    verdict,
    draw,
    expected=CONDITION,
    breaks={"the blocks lose their addition": without_addition},
)
