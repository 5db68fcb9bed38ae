"""As a function of one number, the gradient of a deep plain network is white noise; with shortcuts it need not be."""

from statistics import median_low

import numpy as np

from .experiment import CONDITION, Check, Claim, Experiment, Verdict
from .lab import without_addition
from .shattering import gradients, on_a_line, plain, residual

CLAIM = Claim(
    sentence="The gradients of a deep plain network resemble white noise, those of a residual network do not.",
    article="derivation of residual networks, shattered gradients",
    paper="Balduzzi et al. 2017, figure 1 and section 2",
)
POINTS, UNITS, NETWORKS = 256, 200, 12
LAGS = (1, 2, 5, 10, 15)
NETS = {
    "plain, L(1)": (1, {}),
    "plain, L(24)": (24, {}),
    "plain, L(50)": (50, {}),
    "residual, tenth of a branch, L(50)": (50, {"factor": 0.1, "keep": True}),
    "residual, whole branch, L(50)": (50, {}),
    "residual, whole branch, variance kept, L(24)": (24, {"keep": True}),
}


def autocorrelation(g):
    """Of the sequence less its mean, at the LAGS."""
    g = g - g.mean()
    return np.array([(g[:-lag] * g[lag:]).sum() for lag in LAGS]) / (g * g).sum()


def measure(seed, quick, lab):
    found, x = {}, np.linspace(-2, 2, POINTS)[:, None]
    for name, (depth, options) in NETS.items():
        blocks = residual if name.startswith("residual") else plain
        rows = []
        for network in range(NETWORKS if quick else 5 * NETWORKS):
            rng = np.random.default_rng((seed, network))
            model = on_a_line(blocks(depth - 1, rng, width=UNITS, **options), UNITS, rng)
            rows.append(autocorrelation(gradients(model, x, np.ones(1))[:, 0]))
        found[name] = [float(value) for value in np.mean(rows, axis=0)]
        lab.progress(name)
    return found


def verdict(numbers):
    shallow, deep, deeper, tenth, whole, kept = ([n[name][0] for n in numbers] for name in NETS)
    names = [f"likeness of neighbours, {name}" for name in NETS]
    return Verdict(
        (
            Check(names[0], tuple(shallow), at_least=0.95),
            Check(names[1], tuple(deep), -0.1, 0.1),
            Check(names[2], tuple(deeper), -0.1, 0.1),
            Check(names[3], tuple(tenth), at_least=0.75),
            Check(names[4], tuple(whole), at_least=0.4),
        ),
        condition="if the branches are small against the stream: where each sum of a whole branch and the stream is "
        f"brought back to its variance, neighbours have {median_low(kept):.2f} in common",
    )


def draw(numbers, figure):
    axes = figure.subplots()
    for name in NETS:
        values = np.mean([n[name] for n in numbers], axis=0)
        axes.plot((0, *LAGS), (1, *values), "o-" if name.startswith("residual") else "s--", label=name)
    axes.set_xlabel("distance of two points of 256")
    axes.set_ylabel("autocorrelation of the gradient")
    axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1))


EXPERIMENT = Experiment(
    "shattered_noise",
    CLAIM,
    measure,
    verdict,
    draw,
    expected=CONDITION,
    breaks={"the blocks lose their addition": without_addition},
)
