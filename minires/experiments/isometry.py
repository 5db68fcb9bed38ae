"""Singular values of the Jacobian of networks as drawn: how many directions come through."""

import math
from statistics import median_low

import numpy as np

from ..layers import Linear, ReLU, Residual, Scale, Sequential, SiLU, Tanh
from .experiment import CONDITION, Check, Claim, Experiment, Verdict
from .lab import without_addition

CLAIM = Claim(
    sentence="Residual networks are near dynamical isometry as they are drawn, whatever their activation is: "
    "all singular values of their Jacobian are of the order of 1.",
    article="derivation of residual networks, vanishing gradients",
    paper="Tarnowski et al. 2019; for plain networks Saxe et al. 2014, Pennington et al. 2017",
)
WIDTH, DEPTHS, DRAWS = 128, (1, 4, 16, 64), 4
ACTIVATIONS = {"ReLU": ReLU, "tanh": Tanh, "SiLU": SiLU}
KINDS = ("plain", "residual", "residual, 1/sqrt(L)")
KEPT = KINDS[-1]


def network(kind, activation, depth, rng):
    """L blocks W f(x), W by He's rule; residual ones add x. x, y: (N, WIDTH)"""

    def block():
        linear = Linear(WIDTH, WIDTH, bias=False, rng=rng)
        return Sequential(ACTIVATIONS[activation](), linear, *([Scale(depth**-0.5)] if kind == KEPT else []))

    blocks = [block() for _ in range(depth)]
    return Sequential(*(blocks if kind == "plain" else map(Residual, blocks))).to(dtype="float64").freeze()


def singular_values(model, x):
    """Of dy/dx at ``x``, (WIDTH,): its rows are the gradients of the entries of y, each in an example of its own."""
    cache = model.forward(np.tile(x, (WIDTH, 1)))[1]
    return np.linalg.svd(model.backward(np.eye(WIDTH), cache), compute_uv=False)


def spread(values):
    """(root mean square, (sum of squares)^2 / (n sum of fourth powers)): the second is the part of the directions
    that carry a gradient, 1 if all values are equal and 1 / n if there is one."""
    squares = np.square(values)
    total, fourth = squares.sum(), np.square(squares).sum()
    return math.sqrt(squares.mean()), total / (len(values) * fourth) * total if fourth else 0.0


def measure(seed, quick, lab):
    sizes, parts = ({name: {} for name in ACTIVATIONS} for _ in range(2))
    for name in ACTIVATIONS:
        for kind in KINDS:
            rows = []
            for depth in DEPTHS:
                found = []
                for draw in range(DRAWS if quick else 10 * DRAWS):
                    rng = np.random.default_rng((seed, depth, draw))
                    model = network(kind, name, depth, rng)
                    found.append(spread(singular_values(model, rng.standard_normal(WIDTH))))
                rows.append(np.mean(found, axis=0))
            sizes[name][kind], parts[name][kind] = ([float(row[i]) for row in rows] for i in range(2))
        lab.progress(name)
    growth = {name: sizes[name]["residual"][-1] ** (1 / DEPTHS[-1]) for name in ACTIVATIONS}
    return {"rms": sizes, "part": parts, "growth": growth}


def verdict(numbers):
    def last(what, name, kind):
        return tuple(n[what][name][kind][-1] for n in numbers)

    checks = []
    for name in ACTIVATIONS:
        checks += [
            Check(f"L(64), {name}: directions that carry, plain", last("part", name, "plain"), at_most=0.05),
            Check(f"L(64), {name}: directions that carry, {KEPT}", last("part", name, KEPT), at_least=0.2),
            Check(f"L(64), {name}: size of singular values, {KEPT}", last("rms", name, KEPT), 0.5, 3),
        ]
    return Verdict(
        tuple(checks),
        condition="if the branches are times 1/sqrt(L), or normalised to that end: with He's rule alone the singular "
        f"values grow by {median_low([n['growth']['ReLU'] for n in numbers]):.2f} a block of ReLU, and fewer and fewer "
        "directions carry the gradient",
    )


def draw(numbers, figure):
    axes = figure.subplots()
    for i, kind in enumerate(KINDS):
        for name, line in zip(ACTIVATIONS, ("-", "--", ":"), strict=True):
            values = np.mean([n["part"][name][kind] for n in numbers], axis=0)
            words = f"{kind}: {name}" if i == 0 else kind if line == "-" else None
            axes.loglog(DEPTHS, values, "o" + line, color=f"C{i}", label=words)
    axes.set_xticks(DEPTHS, [str(depth) for depth in DEPTHS])
    axes.minorticks_off()
    axes.set_xlabel("blocks L")
    axes.set_ylabel("part of the directions")
    axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=2)


EXPERIMENT = Experiment(
    "isometry",
    CLAIM,
    measure,
    verdict,
    draw,
    expected=CONDITION,
    breaks={"the blocks lose their addition": without_addition},
)
