"""Why a textbook's replication of shattered gradients does not succeed: one condition after another."""

import math

import numpy as np

from . import shattering
from .experiment import CONDITION, Check, Claim, Experiment, Verdict
from .lab import patched
from .shattered_noise import autocorrelation
from .shattering import gradients, on_a_line, plain

CLAIM = Claim(
    sentence="The gradient of a deep plain network is white noise; a notebook that does not see it asks why.",
    article="derivation of residual networks, shattered gradients",
    paper="Prince 2023, Understanding Deep Learning, notebook to chapter 11; Balduzzi et al. 2017",
)
POINTS, UNITS, NETWORKS = 256, 200, 8
DEPTHS = (1, 12, 24, 50)
# what a network has: its weights' variance times its units, the variance of each bias times its units, batch norm
NETS = {
    "as in the notebook": {"gain": 1, "biases": 1},
    "with He's factor": {"gain": 2, "biases": 1},
    "with biases in the first layer only": {"gain": 2, "biases": 0},
    "with batch norm": {"gain": 2, "biases": 0, "norm": True},
}


def network(depth, rng, *, gain, biases, norm=False):
    """depth + 1 linear layers. x, y: (N, 1)"""
    model = on_a_line(plain(depth - 1, rng, width=UNITS, norm=norm, bias=biases > 0), UNITS, rng, norm=norm)
    variance = {"weight": gain / UNITS, "bias": biases / UNITS}
    for path, p in model.params():
        name = path.rpartition(".")[2]
        if name in variance and (
            biases or not path.startswith("0.")
        ):  # where no other has one, the first keeps its own
            p.data[...] = rng.normal(0, math.sqrt(variance[name]), p.data.shape)
    return model


def measure(seed, quick, lab):
    found, x = {}, np.linspace(-2, 2, POINTS)[:, None]
    for name, options in NETS.items():
        found[name] = []
        for depth in DEPTHS:
            rows = []
            for draw in range(NETWORKS if quick else 3 * NETWORKS):
                model = network(depth, np.random.default_rng((seed, depth, draw)), **options)
                rows.append(autocorrelation(gradients(model, x, np.ones(1))[:, 0])[0])
            found[name].append(float(np.mean(rows)))
        lab.progress(name)
    return found


def verdict(numbers):
    last = {name: tuple(n[name][-1] for n in numbers) for name in NETS}
    least = dict(zip(NETS, (0.9, 0.7, 0.6), strict=False))
    return Verdict(
        (
            *(Check(f"likeness of neighbours, L(50), {name}", last[name], at_least=v) for name, v in least.items()),
            Check("likeness of neighbours, L(50), with batch norm", last["with batch norm"], -0.1, 0.1),
        ),
        condition="with batch norm, which the notebook does not have; neither He's factor nor other biases are enough",
    )


def draw(numbers, figure):
    axes = figure.subplots()
    for name in NETS:
        axes.plot(DEPTHS, np.mean([n[name] for n in numbers], axis=0), "o-", label=name)
    axes.set_ylim(-0.1, 1.05)
    axes.set_xlabel("layers L")
    axes.set_ylabel("likeness of neighbours")
    axes.legend(frameon=False)


EXPERIMENT = Experiment(
    "shattered_textbook",
    CLAIM,
    measure,
    verdict,
    draw,
    expected=CONDITION,
    breaks={"batch norm's running statistics, which say nothing": lambda: patched(shattering, STATISTICS="running")},
)
