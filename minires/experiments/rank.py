"""What an activation does to the rank of a layer's output, and what one calls rank."""

import sys

import numpy as np

from ..layers import ELU, BatchNorm1d, HardSwish, Identity, Linear, ReLU, ReLU6, Sequential, SiLU
from .experiment import CONDITION, Check, Claim, Experiment, Verdict
from .lab import patched

CLAIM = Claim(
    sentence="A narrow layer bounds the rank of what follows; SiLU and ELU expand it more than ReLU and ReLU6.",
    article="derivation of residual networks, ReXNet",
    paper="Han et al. 2020, section 3 and figure 1",
)
ACTIVATIONS = {"linear": Identity, "ReLU": ReLU, "ReLU6": ReLU6, "ELU": ELU, "SiLU": SiLU, "hard-swish": HardSwish}
RATIOS = tuple(q / 10 for q in range(1, 11))
WIDTHS, EXAMPLES = (32, 96), 4  # of the output; images for each of its channels
TOLERANCE = 0.1  # of the greatest singular value
LAYERS = 60


def rank(y, tolerance):
    """How many singular values of ``y`` are above ``tolerance`` times the greatest."""
    values = np.linalg.svd(seen(y), compute_uv=False)
    return int((values > tolerance * values[0]).sum())


def seen(y):
    """As the paper does: the mean of a channel stays in."""
    return y


def output(width, ratio, rng):
    """BN(W x) of a layer with ``ratio`` times as many inputs as its ``width``."""
    inputs = max(1, round(ratio * width))
    layer = Sequential(Linear(inputs, width, bias=False, rng=rng), BatchNorm1d(width)).to(dtype="float64")
    return layer.forward(rng.standard_normal((EXAMPLES * width, inputs)), train=True)[0]


def measure(seed, quick, lab):
    rng = np.random.default_rng(seed)
    widths = rng.integers(*WIDTHS, size=LAYERS if quick else 10 * LAYERS, endpoint=True).tolist()
    shares, strict = {name: [] for name in ACTIVATIONS}, []
    for ratio in RATIOS:
        drawn = [output(width, ratio, rng) for width in widths]
        for name, kind in ACTIVATIONS.items():
            shares[name].append(float(np.mean([rank(kind()(z), TOLERANCE) / z.shape[1] for z in drawn])))
        strict.append(float(np.mean([rank(ReLU()(z), 1e-9) / z.shape[1] for z in drawn[:4]])))
        lab.progress(f"ratio {ratio:g}")
    return {"rank": shares, "strict": strict}


def verdict(numbers):
    ranks = [{name: np.array(values) for name, values in n["rank"].items()} for n in numbers]
    wider, narrow = np.array(RATIOS) >= 0.3, np.array(RATIOS) <= 0.5
    linear = tuple(float(np.abs(r["linear"] - RATIOS)[narrow].max()) for r in ranks)
    steps = [tuple(float(np.diff(r[name]).min()) for r in ranks) for name in ("linear", "ELU", "SiLU")]
    gaps = tuple(float((r["SiLU"] - r["ReLU6"])[wider].min()) for r in ranks)
    return Verdict(
        (
            Check("linear: distance of rank / channels from inputs / channels, up to a half", linear, at_most=0.01),
            *(
                Check(f"{n}: least step to a wider input", s, at_least=0)
                for n, s in zip(("linear", "ELU", "SiLU"), steps)
            ),
            Check("SiLU - ReLU6, least", gaps, at_least=0.1),
            Check("ReLU: strict rank / channels, least", tuple(min(n["strict"]) for n in numbers), 1.0, 1.0),
        ),
        condition="if the rank is the number of singular values above a tenth of the greatest, of outputs that are not "
        "centred. Strictly, the rank behind any of them is full however narrow the input is: the bound is for W x",
    )


def draw(numbers, figure):
    axes = figure.subplots()
    for name in ACTIVATIONS:
        axes.plot(RATIOS, np.mean([n["rank"][name] for n in numbers], axis=0), "o-", label=name)
    axes.plot(RATIOS, np.mean([n["strict"] for n in numbers], axis=0), "--", color="C1", label="ReLU, strictly")
    axes.set_xlabel("inputs / channels")
    axes.set_ylabel("rank / channels")
    axes.legend(frameon=False, ncols=2)


def centred():
    """The order flips: most of the greatest singular value behind ReLU is its mean."""
    return patched(sys.modules[__name__], seen=lambda y: y - y.mean(axis=0))


EXPERIMENT = Experiment(
    "rank", CLAIM, measure, verdict, draw, expected=CONDITION, breaks={"the outputs are centred": centred}
)
