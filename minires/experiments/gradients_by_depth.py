"""How large the gradients of the weights are at every convolution of networks as drawn."""

from statistics import median_low

import numpy as np

from ..data import Normalize
from ..layers import BatchNorm2d, Conv2d, Identity, replace
from ..models import build
from ..trace import gradient_norms
from .experiment import CONDITION, Check, Claim, Experiment, Verdict
from .lab import without_addition

CLAIM = Claim(
    sentence="Vanishing and exploding gradients are largely handled by ReLU, He's initialisation and batch norm.",
    article="derivation of residual networks, vanishing gradients",
    paper="He et al. 2015, section 1; Ioffe & Szegedy 2015",
)
NETS = {
    "plain20": ("digits_plain20", {}),
    "plain56": ("digits_plain56", {}),
    "resnet56": ("digits_resnet56", {}),
    "resnet56, full pre-activation": ("digits_resnet56", {"block": "full_preact"}),
}
WITHOUT = ", without batch norm"
DRAWS = 4


def network(name, rng):
    """One of the NETS as it is drawn; with the words WITHOUT behind it, it has no batch norm."""
    family, options = NETS[name.removesuffix(WITHOUT)]
    model = build(family, rng=rng, **options)
    if not name.endswith(WITHOUT):
        return model
    return replace(model, {path: Identity() for path, layer in model.walk() if isinstance(layer, BatchNorm2d)})


def norms(model, images, labels):
    """|dW| of every 3x3 convolution, from first to last."""
    found = gradient_norms(model, images, labels)
    return [one.params["weight"] for one in found if one.kind == Conv2d.__name__]


def measure(seed, quick, lab):
    train = lab.digits[0]
    images, labels = Normalize.of(train)(train.images[:64], np.float32), train.labels[:64]
    curves = {}
    for name in [name + end for end in ("", WITHOUT) for name in NETS]:
        draws = DRAWS if quick else 5 * DRAWS
        found = [norms(network(name, DRAWS * 100 * seed + draw), images, labels) for draw in range(draws)]
        curves[name] = [float(value) for value in np.exp(np.mean(np.log(found), axis=0))]
        lab.progress(name)
    return {"norms": curves, "first over last": {name: curve[0] / curve[-1] for name, curve in curves.items()}}


def verdict(numbers):
    def each(name):
        return tuple(n["first over last"][name] for n in numbers)

    def check(name, least, most):
        return Check(f"gradient of the first convolution / last, {name}", each(name), least, most)

    return Verdict(
        (check("resnet56", 1, 50), check("resnet56, full pre-activation", 1, 50), check("plain56", 100, np.inf)),
        condition="in residual networks: in plain56 with batch norm, which is to prevent it, the gradient of the first "
        f"convolution is {median_low(each('plain56')):.0f} times that of the last, "
        f"in plain20 {median_low(each('plain20')):.0f} times, and without batch norm "
        f"{median_low(each('plain56' + WITHOUT)):.2g} times",
    )


def draw(numbers, figure):
    left, right = figure.subplots(1, 2, sharey=True)
    for axes, end in ((left, ""), (right, WITHOUT)):
        for name in NETS:
            curve = np.exp(np.mean(np.log([n["norms"][name + end] for n in numbers]), axis=0))
            axes.semilogy(np.linspace(0, 1, len(curve)), curve / curve[-1], label=name)
        axes.set_xlabel(("without" if end else "with") + " batch norm")
    left.set_ylabel("|dW| / |dW| of the last convolution")
    figure.supxlabel("place of the convolution, 0 the first", fontsize="medium")
    figure.legend(*right.get_legend_handles_labels(), loc="outside upper center", ncols=2, frameon=False)


EXPERIMENT = Experiment(
    "gradients_by_depth",
    CLAIM,
    measure,
    verdict,
    draw,
    expected=CONDITION,
    breaks={"the blocks lose their addition": without_addition},
)
