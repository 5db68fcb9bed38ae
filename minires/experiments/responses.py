"""How strongly the layers of a residual network respond, compared with those of a plain one."""

import sys

import numpy as np

from ..data import Normalize
from ..layers import observe
from .experiment import Check, Claim, Experiment, Verdict
from .lab import patched

CLAIM = Claim(
    sentence="The layers of residual networks respond less than those of plain networks, so that residual functions "
    "are closer to zero than others, and less the deeper the network is.",
    article="residuals and shortcuts, residual functions are small",
    paper="He et al. 2015, section 4.2, figure 7",
)
NETWORKS = {"plain20": {}, "plain56": {}, "resnet20": {}, "resnet56": {}}
EPOCHS = 10
END = ".bn2"  # behind the last batch norm of each block, before ReLU and addition


def measure(seed, quick, lab):
    x = Normalize.of(lab.digits[0])(lab.digits[1].images, np.float32)
    return {
        name: responses(lab.trained(f"digits_{name}", seed, EPOCHS, **options)[0], x)
        for name, options in NETWORKS.items()
    }


def responses(model, x):
    """Standard deviation of the response of each block."""
    found = []

    def see(path, layer, x, y):
        if path.endswith(END):
            found.append(float(y.std()))

    observe(model, see).forward(x)
    return found


def verdict(numbers):
    def each(function):
        return tuple(float(function({name: np.mean(n[name]) for name in NETWORKS})) for n in numbers)

    checks = (
        Check("mean response of resnet56 / plain56", each(lambda r: r["resnet56"] / r["plain56"]), at_most=0.9),
        Check("mean response of resnet56 / resnet20", each(lambda r: r["resnet56"] / r["resnet20"]), at_most=1),
    )
    return Verdict(checks)


def draw(numbers, figure):
    axes = figure.subplots()
    for line, kind in (("--", "plain"), ("-", "resnet")):
        for color, depth in enumerate((20, 56)):
            values = numbers[0][f"{kind}{depth}"]
            depths = np.linspace(0, 1, len(values))
            axes.plot(depths, values, line, color=f"C{color}", marker="o", markersize=3, label=f"{kind}{depth}")
    axes.set_xlabel("depth: from the first block to the last")
    axes.set_ylabel("standard deviation of the response")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))


def branches_from_zero():
    """The scale of the last batch norm of each residual block starts from 0 (Goyal et al. 2017), not from 1."""
    zero = {name: {"init": "zero-gamma"} for name in NETWORKS if name.startswith("resnet")}
    return patched(sys.modules[__name__], NETWORKS=NETWORKS | zero)


EXPERIMENT = Experiment(
    "responses",
    CLAIM,
    measure,
    verdict,
    draw,
    expected="FAILS",
    breaks={"residual branches start from zero": branches_from_zero},
)
