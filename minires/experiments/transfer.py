"""Features that a network has learnt on other images serve a new task with few labels."""

import sys

import numpy as np

from ..data import Normalize, load
from ..layers import Identity, replace
from ..models import build
from ..weights import pretrained
from .experiment import Check, Claim, Experiment, Verdict
from .lab import patched

CLAIM = Claim(
    sentence="What a residual network has learnt on one task serves another: its features beat those of an untrained "
    "network wherever labelled images are few.",
    article="degradation and function families, transfer",
    paper="He et al. 2015, section 4.3; Yosinski et al. 2014",
)
LABELS, TESTED = (50, 100, 300, 1000), 500
QUICK, FULL = ("fashion_mnist_12k", "digits"), ("fashion_mnist_12k", "digits", "mnist")
LEAST = {"fashion_mnist_12k": 0.05, "mnist": 0.1}
RIDGE = 1.0
SIDE = 32  # rows and columns of the images that the network has seen
HEAD = "head.fc"
DRAWS = 5  # of labelled and test images


def measure(seed, quick, lab):
    """For each set and number of labelled images the test accuracy of a linear classifier on the features of
    ResNet-20, as it comes with minires, trained on CIFAR-10, and on those of a fresh one; full: MNIST, too."""
    model, record = pretrained("resnet20")
    normalize = Normalize(record.data["mean"], record.data["std"])
    found = {}
    for name in QUICK if quick else FULL:
        data = load(name, "train", lab.data_dir)
        data = data.subset(np.random.default_rng(seed).permutation(len(data))[: LABELS[-1] + TESTED])
        x = normalize(enlarged(data.images))
        lab.progress(f"{len(x)} images of {name}")
        networks = {"trained": model, "untrained": untrained(x, seed, lab)}
        found[name] = {kind: curve(network, x, data.labels, seed, lab) for kind, network in networks.items()}
    return found


def enlarged(images):
    """(N, 1, H, W) to (N, 3, 32, 32): each pixel as a square of them, black around it."""
    times = SIDE // images.shape[-1]
    images = images.repeat(times, axis=2).repeat(times, axis=3).repeat(3, axis=1)
    border = (SIDE - images.shape[-1]) // 2
    return np.pad(images, ((0, 0), (0, 0), (border, border), (border, border)))


def curve(network, x, labels, seed, lab):
    """Mean test accuracy for each number of labels, over some draws of labelled and test images."""
    features = outputs(lab.fast(replace(network, {HEAD: Identity()})), x)
    rng = np.random.default_rng(seed)
    return np.mean([scores(features, labels, rng.permutation(len(x))) for _ in range(DRAWS)], axis=0).tolist()


def untrained(x, seed, lab):
    """A fresh ResNet-20, which has not seen an image."""
    return build("resnet20", rng=seed)


def outputs(network, x):
    return np.concatenate([network(x[start : start + 250]) for start in range(0, len(x), 250)]).astype(np.float64)


def scores(features, labels, order):
    """Test accuracy for each number of labelled images; the last of the ``order`` are for the test."""
    test = order[-TESTED:]
    return [probe(features[order[:n]], labels[order[:n]], features[test], labels[test]) for n in LABELS]


def probe(x, labels, test_x, test_labels):
    """Test accuracy of ridge regression on one-hot labels, from standardised features."""
    mean, std = x.mean(axis=0), x.std(axis=0) + 1e-6
    x, test_x = (np.c_[(part - mean) / std, np.ones(len(part))] for part in (x, test_x))
    weight = np.linalg.solve(x.T @ x + RIDGE * np.eye(x.shape[1]), x.T @ np.eye(10)[labels])
    return float(((test_x @ weight).argmax(axis=1) == test_labels).mean())


def gains(n, name):
    """Of test accuracy, for each number of labels."""
    return np.subtract(n[name]["trained"], n[name]["untrained"]).tolist()


def verdict(numbers):
    checks = [
        Check(f"gain on {name}, labels={labels}", tuple(gains(n, name)[k] for n in numbers), at_least=LEAST[name])
        for name in LEAST
        if name in numbers[0]
        for k, labels in enumerate(LABELS)
    ]
    worst = min(min(gains(n, "digits")) for n in numbers)
    condition = ""
    if worst < 0:
        condition = (
            "Not for every task: on the digits that come along, enlarged, the trained features are worse than those of "
            "an untrained network."
        )
    return Verdict(tuple(checks), condition)


def draw(numbers, figure):
    for axes, name in zip(figure.subplots(1, len(numbers[0]), sharey=True, squeeze=False)[0], numbers[0]):
        for kind in ("trained", "untrained"):
            mean = np.mean([n[name][kind] for n in numbers], axis=0)
            axes.semilogx(LABELS, mean, "o-", label=f"{kind} on CIFAR-10" if kind == "trained" else kind)
        axes.set_xticks(LABELS, LABELS)
        axes.set_xlabel(f"labelled images of {name}")
    figure.axes[0].set_ylabel("test accuracy")
    figure.axes[0].legend(frameon=False)


def statistics_of_the_images():
    """The untrained network has seen images: its batch norms have moved towards their statistics, which harms it."""

    def normalised(x, seed, lab):
        fresh = build("resnet20", rng=seed)
        network = lab.fast(fresh)
        for start in range(0, 1024, 128):
            network.forward(x[start : start + 128], train=True)
        return fresh

    return patched(sys.modules[__name__], untrained=normalised)


EXPERIMENT = Experiment(
    "transfer",
    CLAIM,
    measure,
    verdict,
    draw,
    expected="FAILS",
    breaks={"the untrained network has statistics of the images": statistics_of_the_images},
)
