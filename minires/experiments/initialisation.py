"""He's initial weights keep signal and gradient at their size through ReLUs, Xavier's halve their squares."""

import numpy as np

from ..layers import Linear, ReLU, Sequential
from .experiment import Check, Claim, Experiment, Verdict
from .lab import patched

CLAIM = Claim(
    sentence="In very deep networks signals and gradients vanish or explode; He's initialisation for ReLUs keeps them "
    "at their size, which Xavier's does not.",
    article="derivation of residual networks, vanishing gradients",
    paper="He et al. 2015, Delving Deep into Rectifiers, section 2.2",
)
GAINS = {"he": 2, "xavier": 1}  # variance of a weight times the width; layers start with He's
WIDTH, LAYERS, IMAGES, DRAWS = 512, 30, 32, 3


def measure(seed, quick, lab):
    rng = np.random.default_rng(seed)
    numbers = {}
    for name, gain in GAINS.items():
        draws = [sizes(gain, rng) for _ in range(DRAWS if quick else 10 * DRAWS)]
        numbers[name] = {what: np.mean([draw[what] for draw in draws], axis=0).tolist() for what in draws[0]}
    return numbers


def sizes(gain, rng):
    """log2 of the root mean square of the signal behind each layer, and of the gradient before it."""
    layers = []
    for _ in range(LAYERS):
        linear = Linear(WIDTH, WIDTH, bias=False, rng=rng)
        linear.weight.data *= np.float32(np.sqrt(gain / GAINS["he"]))
        layers.append(Sequential(linear.freeze(), ReLU()))
    x, signal, caches, gradient = rng.standard_normal((IMAGES, WIDTH)).astype(np.float32), [], [], []
    for layer in layers:
        x, cache = layer.forward(x)
        caches.append(cache)
        signal.append(log_size(x))
    dx = rng.standard_normal(x.shape).astype(np.float32)
    for layer, cache in zip(reversed(layers), reversed(caches)):
        dx = layer.backward(dx, cache)
        gradient.append(log_size(dx))
    return {"signal": signal, "gradient": gradient[::-1]}


def log_size(a):
    return float(np.log2(np.mean(a.astype(np.float64) ** 2)) / 2)


def slope(values):
    """Of the straight line through the values, a layer."""
    layer = np.arange(len(values)) - (len(values) - 1) / 2
    return float(layer @ values / (layer @ layer))


def verdict(numbers):
    def slopes(name, what):
        return tuple(slope(n[name][what]) * (1 if what == "signal" else -1) for n in numbers)

    return Verdict(
        tuple(
            Check(f"log2 of the {what}'s size, a layer, {name}", slopes(name, what), middle - 0.05, middle + 0.05)
            for name, middle in (("he", 0), ("xavier", -0.5))
            for what in ("signal", "gradient")
        )
    )


def draw(numbers, figure):
    for axes, what in zip(figure.subplots(1, 2, sharey=True), ("signal", "gradient")):
        for name in GAINS:
            axes.plot(range(1, LAYERS + 1), numbers[0][name][what], label=name)
        axes.set_xlabel("layer")
        axes.set_ylabel(f"log2 of the {what}'s size")
    axes.legend(frameon=False)


def without_relu():
    """Linear layers alone: there Xavier's are the right ones."""
    return patched(ReLU, forward=lambda self, x, train=False: (x, None), backward=lambda self, dy, cache: dy)


EXPERIMENT = Experiment("initialisation", CLAIM, measure, verdict, draw, breaks={"no ReLU": without_relu})
