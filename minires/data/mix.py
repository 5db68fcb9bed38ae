"""Training on mixtures of two images, each with its share of the label."""

import math
from dataclasses import dataclass

import numpy as np

from minires.backend import Array
from minires.data.augment import check_images
from minires.errors import RangeError
from minires.ops import one_hot


@dataclass(frozen=True)
class Mixup:
    """Every image, or other example, of a batch blended with another one of it, by one share p for the whole batch.

        x <- p x + (1 - p) x[pair]      targets <- p one_hot(labels) + (1 - p) one_hot(labels[pair])

    p ~ Beta(alpha, alpha): near 0 or 1 for a small alpha, uniform for 1. pair is a permutation of the batch.
    Zhang et al. 2018, "mixup: Beyond Empirical Risk Minimization", arXiv:1710.09412, section 2.
    """

    alpha: float
    classes: int

    def __post_init__(self):
        check_alpha(self)

    def __call__(self, x: Array, labels: Array, rng: np.random.Generator) -> tuple[Array, Array]:
        """x: (B, ...) floats   labels: (B,)   Returns (x, targets), targets (B, classes) of the type of x."""
        share, pair = rng.beta(self.alpha, self.alpha), rng.permutation(len(x))
        return blended(x, x[pair], share), shared(labels, pair, share, self.classes, x.dtype)


@dataclass(frozen=True)
class CutMix:
    """A box of every image replaced by that of another one; a label's share is its share of the pixels.

    The box has H sqrt(1 - p) rows and W sqrt(1 - p) columns, p ~ Beta(alpha, alpha), and its centre anywhere; what
    lies beyond the border is cut off. Box and p are the same for the whole batch; pair: see :class:`Mixup`.
    Yun et al. 2019, "CutMix", arXiv:1905.04899, section 3.1 and algorithm A1.
    """

    alpha: float
    classes: int

    def __post_init__(self):
        check_alpha(self)

    def __call__(self, x: Array, labels: Array, rng: np.random.Generator) -> tuple[Array, Array]:
        """x: (B, C, H, W) floats   labels: (B,)   Returns (x, targets), targets (B, classes) of the type of x."""
        check_images(self, x)
        pair, side = rng.permutation(len(x)), math.sqrt(1 - rng.beta(self.alpha, self.alpha))
        rows, columns = (_range(size, side, rng) for size in x.shape[2:])
        x = x.copy()
        box = x[:, :, rows, columns]
        share = 1 - box[0, 0].size / x[0, 0].size
        box[...] = box[pair]
        return x, shared(labels, pair, share, self.classes, x.dtype)


def blended(a, b, share):
    """share a + (1 - share) b."""
    share = float(share)  # NumPy's float64 would widen float32
    return share * a + (1 - share) * b


def shared(labels, pair, share, classes, dtype):
    """The targets (B, classes) of labels mixed with those of ``pair``."""
    targets = one_hot(labels, classes, dtype)
    return blended(targets, targets[pair], share)


def check_alpha(mix):
    if not 0 < mix.alpha < math.inf:
        raise RangeError(f"{type(mix).__name__}: alpha is {mix.alpha}, expected a finite number above 0: change alpha")


def _range(size, side, rng):
    """The part of 0 .. size - 1 within half of ``side`` times ``size`` of a random centre."""
    length, centre = int(size * side), int(rng.integers(size))
    start = centre - length // 2
    return slice(max(0, start), max(0, min(size, start + length)))
