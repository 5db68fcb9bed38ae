"""Does dL/dx_l = dL/dx_L (1 + sum dF/dx_l) hold between two places of a network, and if not, what breaks the "1"?

The identity of He et al. 2016, "Identity Mappings in Deep Residual Networks", eq. 5, needs nothing but identity on the
way from x_l to x_L beside the branches: every A_i = I. Each element that is not breaks it in its own way, and what
arrives on shortcuts alone is A_l^T ... A_{L-1}^T g_L instead of g_L.
"""

import math
from dataclasses import dataclass

from ..errors import RangeError
from ..layers import (
    ELU,
    GELU,
    AdaptiveAvgPool2d,
    AvgPool2d,
    BatchNorm1d,
    BatchNorm2d,
    Concat,
    Conv2d,
    Dropout,
    Flatten,
    Gain,
    Gate,
    GlobalAvgPool2d,
    GroupNorm,
    HardSwish,
    Identity,
    Layer,
    LayerNorm,
    LeakyReLU,
    Linear,
    MaxPool2d,
    Offset,
    PadChannels,
    PReLU,
    ReLU,
    ReLU6,
    Res2,
    Residual,
    RungeKutta,
    Scale,
    Sequential,
    Sigmoid,
    SiLU,
    SliceChannels,
    SqueezeExcite,
    Subsample,
    Tanh,
)
from ..layers.tree import join
from ..layers.known import kind_of
from .levels import levels
from .norms import difference, norm, ratio, same
from .records import PLAIN, Traced
from .words import as_audit

WHY: dict[type[Layer] | str, str] = {
    ReLU: "the ReLU masks the gradient: entries with a negative sum get 0",
    ReLU6: "the ReLU6 masks the gradient: entries with a sum below 0 or above 6 get 0",
    HardSwish: "the hard swish multiplies each entry by its slope: 0 below -3, 1 above 3, a line between",
    LeakyReLU: "the leaky ReLU multiplies entries with a negative sum by its slope there",
    PReLU: "the PReLU multiplies entries with a negative sum by the slope that it has learned",
    ELU: "the ELU multiplies entries with a negative sum by alpha e^x, which is soon 0",
    **{
        kind: f"the {kind.__name__} multiplies each entry of the gradient by its slope, {slope}"
        for kind, slope in {
            SiLU: "from -0.1 to 1.1",
            GELU: "from -0.13 to 1.13",
            Sigmoid: "a quarter at most",
            Tanh: "1 at most, and soon 0",
        }.items()
    },
    **dict.fromkeys(
        (BatchNorm2d, BatchNorm1d),
        "batch norm multiplies each channel by gamma / sigma and, in training, removes its mean and its part "
        "along x_hat",
    ),
    GroupNorm: "group norm rescales the gradient and removes its mean and its part along x_hat",
    LayerNorm: "layer norm rescales the gradient and removes its mean and its part along x_hat",
    Linear: "the projection multiplies the gradient by its transposed weights",
    GlobalAvgPool2d: "the global mean spreads the gradient of a channel evenly over its pixels",
    AdaptiveAvgPool2d: "mean pooling spreads the gradient of a pixel evenly over its window",
    Flatten: "flattening gives the gradient another shape, and leaves its numbers",
    SliceChannels: "slicing passes the gradient to the channels that it took, the others get 0",
    Res2: "each group of channels but the last goes through layers, and what one group finds enters the next",
    Conv2d: "the projection multiplies the gradient by its transposed weights",
    Subsample: "subsampling passes the gradient to one pixel in stride^2, the others get 0",
    AvgPool2d: "mean pooling spreads the gradient of a pixel evenly over its window",
    MaxPool2d: "max pooling passes the gradient to the largest pixel of each window, the others get 0",
    PadChannels: "padding drops the gradient of the added channels",
    Scale: "the factor multiplies the gradient, once for every block",
    Gain: "the gain multiplies the gradient by the number that it has learned",
    Dropout: "dropout sets the gradient of the dropped entries to 0",
    Gate: "the carry gate multiplies the gradient by 1 - t, and adds a term of its own",
    SqueezeExcite: "squeeze-and-excitation multiplies each channel by its scale, and adds a term of its own",
    PLAIN: "there is no shortcut: all of the gradient goes through the layers of the block, none around them",
    Concat: "concatenation hands back a slice of the gradient: exact, but of fewer channels",
}


# the place of a layer in its block: what it is called
WHERE = {
    "pre": "before the fork, shared by shortcut and branch",
    "shortcut": "on the shortcut",
    "join": "where the ways join",
    "post": "after the addition",
    "link": "between the blocks",
    "block": "the whole block",
}


@dataclass(frozen=True)
class Break:
    """An element of the shortcut way that is not the identity: the path of the layer, its class, and what it does."""

    path: str
    kind: str
    place: str
    why: str

    @property
    def where(self):
        """Its place in words; ``place`` is the key."""
        return WHERE[self.place]


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

    def verdict(self, start: int, stop: int) -> Verdict:
        """The :class:`Verdict` for one pair."""
        found = [v for v in self.verdicts if (v.start, v.stop) == (start, stop)]
        if not found:
            n = len(self.paths)
            raise RangeError(f"start is {start!r} and stop {stop!r}, expected integers 0 <= start < stop <= {n}")
        return found[0]

    @property
    def holds(self) -> bool:
        """Whether the identity holds for every pair."""
        return all(v.holds for v in self.verdicts)

    def __repr__(self):
        good = sum(v.holds for v in self.verdicts)
        return f"<Audit of {len(self.paths)} blocks, the identity holds for {good} of {len(self.verdicts)} pairs>"

    def __str__(self):
        return as_audit(self)


def audit(ledger: Traced) -> Audit:
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

    def look(path, layer, place):
        if kind_of(layer) is Sequential:
            for name, child in layer.children():
                look(join(path, name), child, place)
        elif not _is_identity(layer, trunk.train):
            found.append(Break(path, type(layer).__name__, place, _why(layer)))

    for block in trunk.between(number, number + 1):
        if block.plain:
            found.append(Break(block.path, PLAIN, "block", WHY[PLAIN]))
            continue
        for part in block.pre:
            look(part.path, part.layer, "pre" if block.fork else "link")
        fork = block.fork and block.fork.layer
        if fork and kind_of(fork) is Residual:
            look(join(block.fork.path, "shortcut"), fork.shortcut, "shortcut")
        elif fork and kind_of(fork) is not RungeKutta:  # which adds to x itself
            look(block.fork.path, fork, "join")
        for part in block.post:
            look(part.path, part.layer, "post")
    return found


def _is_identity(layer, train):
    kind = kind_of(layer)
    if kind is Dropout:
        return not train or layer.p == 0
    if kind is Gain:
        return layer.weight.data.item() == 1
    return kind in (Identity, Offset) or (kind is Scale and layer.factor == 1)


def _why(layer):
    kind = kind_of(layer)
    if kind is Concat and "shortcut" not in layer.branches:
        return "no way through is a shortcut: nothing arrives beside the branches"
    return WHY.get(kind, f"{type(layer).__name__} is not the identity, as far as minires knows it")
