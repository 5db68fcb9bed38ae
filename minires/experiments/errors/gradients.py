"""Errors about degradation, gradients and nested families. The imports are absolute because readers are shown them."""

import numpy as np

from minires.experiments.lab import Lab
from minires.layers import Linear, ReLU, Residual, Sequential, observe, replace
from minires.models import build, lesions
from minires.trace import audit, gradient_norms, trace

from .error import Error


def degradation():
    images = np.random.default_rng(0).standard_normal((32, 3, 16, 16)).astype(np.float32)
    ratio = {}
    for name in "plain20", "plain56", "resnet56":
        layers = gradient_norms(build(name, rng=0), images, np.arange(32) % 10)
        norms = [layer.params["weight"] for layer in layers if layer.kind == "Conv2d"]
        ratio[name] = norms[0] / norms[-1]
    print("|dW|, first convolution / last:", {name: float(f"{value:.3g}") for name, value in ratio.items()})
    assert ratio["plain56"] > 10 * ratio["plain20"] and ratio["plain56"] > 10 * ratio["resnet56"]


def lesion():
    lab, model = Lab(), build("digits_resnet20", rng=0)
    lab.train(model, 3, seed=0)
    places = lesions.forks(model)
    no_branch = np.median([lab.accuracy(lesions.delete(model, path)) for path in places])
    no_shortcut = np.median([lab.accuracy(replace(model, {path: model.at(path).branch})) for path in places])
    print(f"accuracy {lab.accuracy(model):.2f}, median of a branch less {no_branch:.2f}, a shortcut {no_shortcut:.2f}")
    assert no_branch > no_shortcut + 0.1


def not_negative():
    images, least = np.random.default_rng(0).standard_normal((4, 3, 16, 16)).astype(np.float32), []

    def see(path, layer, x, y):
        if isinstance(layer, Residual) and x.shape == y.shape:
            least.append((y - x).min())

    observe(build("resnet20", block="relu_before_add", rng=0), see).forward(images, train=True)
    print(f"least F(x) in {len(least)} blocks: {min(least)}")
    assert min(least) >= 0


def not_equivalent():
    images, logits = np.random.default_rng(0).standard_normal((4, 3, 16, 16)), []
    for block in "original", "relu_only_preact":
        model = build("resnet20", block=block, rng=0).to(dtype=np.float64)
        logits.append(model.forward(images, train=True)[0])
    difference = np.abs(logits[0] - logits[1]).max() / np.abs(logits[0]).max()
    print(f"same weights, same images: the logits differ by {difference:.0%} of the largest")
    assert difference > 0.1


def recursion():
    rng = np.random.default_rng(0)
    model = build("resnet20", block="full_preact", rng=0).to(dtype=np.float64)
    ledger = trace(model, rng.standard_normal((4, 3, 16, 16)), dy=rng.standard_normal((4, 10)))
    one, two = ledger.trunk.blocks[7:9]
    F = [block.fork.layer.branch.forward(block.x, True)[0] for block in (one, two)]
    both, last = np.abs(one.x + F[0] + F[1] - two.y).max(), np.abs(one.x + F[1] - two.y).max()
    print(f"x_L differs from x_l + F + F by {both:.0e}, with one F left out by {last:.1f}")
    assert both < 1e-12 and last > 0.1


def one_plus():
    rng, found = np.random.default_rng(0), {}
    images, dy = rng.standard_normal((4, 3, 16, 16)), rng.standard_normal((4, 10))
    for block in "original", "full_preact":
        ledger = trace(build("resnet20", block=block, rng=0).to(dtype=np.float64), images, dy=dy)
        found[block] = [verdict.holds for verdict in audit(ledger).verdicts]
        print(f"{block}: the identity holds between {sum(found[block])} of {len(found[block])} pairs of places")
    assert not any(found["original"])
    assert any(found["full_preact"]) and not all(found["full_preact"])


def not_two_to_the_minus_depth():
    rng, depth, law = np.random.default_rng(0), 12, 2.0**-12
    parts = [part for _ in range(depth) for part in (ReLU(), Linear(256, 256, rng=rng))]
    net = Sequential(*parts).to(dtype=np.float64)
    cache = net.forward(rng.standard_normal((128, 256)))[1]
    g = net.backward(np.tile(rng.standard_normal(256), (128, 1)), cache)
    correlation = (np.square(g.sum(0)).sum() / np.square(g).sum() - 1) / (len(g) - 1)
    print(f"{depth} layers: correlation {correlation:.4f}, 2^-L is {law:.4f}")
    assert correlation > 10 * law


def identity_without_shortcut():
    h = np.abs(np.random.default_rng(0).standard_normal((4, 16, 8, 8)))
    block = build("plain8", rng=0).to(dtype=np.float64).at("stage1.0")
    for number in "12":
        conv, norm = block.at(f"branch.conv{number}"), block.at(f"branch.bn{number}")
        conv.weight.data[...] = np.eye(16)[:, :, None, None] * np.outer([0, 1, 0], [0, 1, 0])
        norm.gamma.data[...], norm.beta.data[...] = np.sqrt(h.var((0, 2, 3)) + norm.eps), h.mean((0, 2, 3))
    print(f"|block(h) - h| is at most {(error := np.abs(block.forward(h, train=True)[0] - h).max()):.0e}")
    assert error < 1e-12


DERIVATION = "derivation of residual networks"
ERRORS = (
    Error(
        2,
        f"{DERIVATION}, section 1",
        "Vanishing gradients: with more layers accuracy saturates and then falls. Residual learning solves this.",
        "What falls is accuracy in training too: degradation. With batch norm the gradient of a deep plain "
        "network does not vanish, at the start it is far larger in the first layers than in the last; He et al. "
        "call vanishing gradients an unlikely cause. Another of the articles says itself that the two are "
        "different in essence.",
        degradation,
    ),
    Error(
        3,
        f"{DERIVATION}, ensembles of paths",
        "With some of its shortcuts destroyed the network still trains: the paths are interdependent (and, in the"
        " next paragraph: independent).",
        "The paths do not depend strongly on each other. What Veit et al. take away is a residual branch, not a "
        "shortcut, from a trained network, and it is not trained again.",
        lesion,
    ),
    Error(
        4,
        f"{DERIVATION}, variant (c)",
        "With the ReLU before the addition the distribution of the residual becomes negative.",
        "It becomes non-negative, as another of the articles has it: the signal can only grow.",
        not_negative,
    ),
    Error(
        5,
        f"{DERIVATION}, variant (d)",
        "The ReLU-only pre-activation is equivalent to the original.",
        "It is another function, whose error is similar in the paper, a little above the original's at one depth "
        "and a little below at another.",
        not_equivalent,
    ),
    Error(
        6,
        f"{DERIVATION}, recursion",
        "x_{l+2} = x_{l+1} + (x_{l+1}, W_{l+1}) = x_l + F(x_{x_l, W_l}) + (x_{l+1}, W_{l+1}); elsewhere F(x) = H(x).",
        "An F is missing and an index is wrong: x_{l+2} = x_l + F(x_l, W_l) + F(x_{l+1}, W_{l+1}), and F(x) = "
        "H(x) - x.",
        recursion,
    ),
    Error(
        7,
        f"{DERIVATION}, gradient; in degradation and function families, too",
        "dL/dx_l = dL/dx_L (1 + sum dF/dx_l), for a network with a ReLU behind each addition.",
        "A ReLU behind the addition masks the 1, and so does each change of shape, in pre-activation networks "
        "too. And dF/dx_l is the total derivative of each F, through all blocks before it.",
        one_plus,
    ),
    Error(
        8,
        f"{DERIVATION}, shattered gradients",
        "The correlation of gradients decays as 1/2^L in plain networks and as 1/sqrt(L) in residual ones; with "
        "batch norm their size is stable.",
        "Both laws need batch norm. Without it the correlation of plain networks falls as a power of L, that of "
        "residual ones exponentially. With it the gradient of plain networks grows in each layer, and the "
        "exponent of residual ones is steeper than that of a square root.",
        not_two_to_the_minus_depth,
    ),
    Error(
        9,
        f"{DERIVATION}, shattered gradients",
        "This confirms the view of the ResNet paper that the difficulty of training grows at least polynomially.",
        "The paper has no such view. It conjectures that deep plain networks have exponentially low convergence rates.",
        because="it is about what a paper says",
    ),
    Error(
        10,
        "degradation and function families",
        "New layers only learn the identity, and the activation makes the families of functions non-nested.",
        "A residual block can become the identity easily. A plain block can be it, too, exactly: a centred "
        "kernel, and batch norm that restores mean and variance. Plain families are nested; what differs is how "
        "they train. And nothing is guaranteed where the smaller family does not lie in the larger one, not the "
        "other way round.",
        identity_without_shortcut,
    ),
)
