"""Does dL/dx_l = dL/dx_L (1 + sum dF/dx_l) hold between two places of a network, and if not, what breaks the "1"?

The identity of He et al. 2016, "Identity Mappings in Deep Residual Networks", eq. 5, needs nothing but identity on the
way from x_l to x_L beside the branches: every A_i = I. Each element that is not breaks it in its own way, and what
arrives on shortcuts alone is A_l^T ... A_{L-1}^T g_L instead of g_L.
"""

import math
from dataclasses import dataclass

from ..errors import RangeError
from ..layers import (
    AvgPool2d,
    BatchNorm2d,
    Concat,
    Conv2d,
    Dropout,
    Gate,
    GroupNorm,
    Identity,
    MaxPool2d,
    PadChannels,
    ReLU,
    ReLU6,
    Residual,
    RungeKutta,
    Scale,
    Sequential,
    SiLU,
    SqueezeExcite,
    Subsample,
)
from ..layers.tree import join
from ..layers.known import kind_of
from .levels import levels
from .norms import difference, norm, ratio, same
from .records import PLAIN
from .words import as_audit

WHY = {
    ReLU: "the ReLU masks the gradient: entries with a negative sum get 0",
    ReLU6: "the ReLU6 masks the gradient: entries with a sum below 0 or above 6 get 0",
    SiLU: "the SiLU multiplies each entry of the gradient by its slope",
    BatchNorm2d: "batch norm multiplies each channel by gamma / sigma and, in training, removes its mean and its part "
    "along x_hat",
    GroupNorm: "group norm rescales the gradient and removes its mean and its part along x_hat",
    Conv2d: "the projection multiplies the gradient by its transposed weights",
    Subsample: "subsampling passes the gradient to one pixel in stride^2, the others get 0",
    AvgPool2d: "mean pooling spreads the gradient of a pixel evenly over its window",
    MaxPool2d: "max pooling passes the gradient to the largest pixel of each window, the others get 0",
    PadChannels: "padding drops the gradient of the added channels",
    Scale: "the factor multiplies the gradient, once for every block",
    Dropout: "dropout sets the gradient of the dropped entries to 0",
    Gate: "the carry gate multiplies the gradient by 1 - t, and adds a term of its own",
    SqueezeExcite: "squeeze-and-excitation multiplies each channel by its scale, and adds a term of its own",
    PLAIN: "there is no shortcut: all of the gradient goes through the layers of the block, none around them",
    Concat: "concatenation hands back a slice of the gradient: exact, but of fewer channels",
}


LINK = "between the blocks"


@dataclass(frozen=True)
class Break:
    """An element of the shortcut way that is not the identity: the path of the layer, its class, and what it does."""

    path: str
    kind: str
    where: str
    why: str


@dataclass(frozen=True)
class Verdict:
    """Whether the textbook identity holds between x_l (``start``) and x_L (``stop``).

    breaks: what is in the way, from l to L   defect: |A^T ... A^T g_L - g_L| / |g_L|, exactly 0 where it holds, NaN
    where the shapes differ   zeroed: part of the entries of A^T ... A^T g_L that are exactly 0
    ratio: |A^T ... A^T g_L| / |g_L|
    """

    start: int
    stop: int
    holds: bool
    breaks: tuple
    defect: float
    zeroed: float
    ratio: float


@dataclass(frozen=True)
class Audit:
    """The verdicts for all pairs l < L on the trunk, and the breaks of each block; ``print(audit)`` is a report.

    paths, breaks: of the blocks   verdicts: of the pairs   growth: |g_0| / |g_n|, n the output of the last block
    levels: what travels on the trunk (:class:`~minires.trace.levels.Level`), before each block and before the head
    """

    paths: tuple
    breaks: tuple
    verdicts: tuple
    growth: float
    levels: tuple

    def verdict(self, start, stop):
        """The :class:`Verdict` for one pair."""
        found = [v for v in self.verdicts if (v.start, v.stop) == (start, stop)]
        if not found:
            n = len(self.paths)
            raise RangeError(f"start is {start!r} and stop {stop!r}, expected integers 0 <= start < stop <= {n}")
        return found[0]

    @property
    def holds(self):
        """Whether the identity holds for every pair."""
        return all(v.holds for v in self.verdicts)

    def __repr__(self):
        good = sum(v.holds for v in self.verdicts)
        return f"<Audit of {len(self.paths)} blocks, the identity holds for {good} of {len(self.verdicts)} pairs>"

    def __str__(self):
        return as_audit(self)


def audit(ledger):
    """Audit the trunk of a :class:`~minires.trace.Ledger` for every pair l < L; return an :class:`Audit`."""
    _, n = ledger.span(0, None)
    found = [_breaks_on_the_way(ledger.trunk, i) for i in range(n)]
    verdicts = []
    for stop in range(1, n + 1):
        g = u = ledger.g(stop)
        for start in range(stop - 1, -1, -1):
            for block in reversed(ledger.trunk.between(start, start + 1)):
                u = block.shortcut(u)
            breaks = tuple(b for i in range(start, stop) for b in found[i])
            verdicts.append(_verdict(start, stop, breaks, u, g))
    verdicts.sort(key=lambda v: (v.start, v.stop))
    return Audit(
        tuple(block.path for block in ledger.blocks),
        tuple(map(tuple, found)),
        tuple(verdicts),
        ratio(norm(ledger.g(0)), norm(ledger.g(n))),
        levels(ledger.trunk),
    )


def _verdict(start, stop, breaks, u, g):
    same_shape, size = u.shape == g.shape, norm(g)
    return Verdict(
        start,
        stop,
        holds=same_shape and same(u, g) and not (breaks and size == 0),  # that 0 arrives as 0 proves nothing
        breaks=breaks,
        defect=difference(u, g) if same_shape else math.nan,
        zeroed=float((u == 0).sum()) / u.size,
        ratio=ratio(norm(u), size),
    )


def _breaks_on_the_way(trunk, number):
    """The elements between x_l and x_{l+1}, beside the branch, that are not the identity."""
    found = []

    def look(path, layer, where):
        if kind_of(layer) is Sequential:
            for name, child in layer.children():
                look(join(path, name), child, where)
        elif not _is_identity(layer, trunk.train):
            found.append(Break(path, type(layer).__name__, where, _why(layer)))

    for block in trunk.between(number, number + 1):
        if block.plain:
            found.append(Break(block.path, PLAIN, "the whole block", WHY[PLAIN]))
            continue
        for part in block.pre:
            look(part.path, part.layer, "before the fork, shared by shortcut and branch" if block.fork else LINK)
        fork = block.fork and block.fork.layer
        if fork and kind_of(fork) is Residual:
            look(join(block.fork.path, "shortcut"), fork.shortcut, "on the shortcut")
        elif fork and kind_of(fork) is not RungeKutta:  # which adds to x itself
            look(block.fork.path, fork, "where the ways join")
        for part in block.post:
            look(part.path, part.layer, "after the addition")
    return found


def _is_identity(layer, train):
    kind = kind_of(layer)
    if kind is Dropout:
        return not train or layer.p == 0
    return kind is Identity or (kind is Scale and layer.factor == 1)


def _why(layer):
    kind = kind_of(layer)
    if kind is Concat and "shortcut" not in layer.branches:
        return "no way through is a shortcut: nothing arrives beside the branches"
    return WHY.get(kind, f"{type(layer).__name__} is not the identity, as far as minires knows it")
