"""The gradient by paths: through each of n blocks it takes the shortcut or the branch, 2^n paths in all.

    g_l = sum over subsets S of the blocks of  prod_j (B_j^T if j in S else A_j^T)  g_L

The paths through k branches add up to G_k, found without listing them by a programme over the blocks from L to l:

    G_k <- A_j^T G_k + B_j^T G_{k-1},    G_0 = g_L to begin with,    sum_k G_k = g_l

which costs n (n + 1) / 2 products with a residual operator. Norms do not add: |G_k| may exceed |g_l|, and the G_k
cancel, so each comes with its signed projection <G_k, g_l> / <g_l, g_l>; the projections add up to 1.
Veit et al. 2016, "Residual Networks Behave Like Ensembles of Relatively Shallow Networks", sections 3 and 5.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, combinations
from typing import Any

import numpy as np

from ..backend import Array
from ..errors import RangeError
from ..initializers import Rng
from ..layers.checks import is_integer
from .norms import difference, dot, frozen, norm, ratio
from .records import Traced

MOST_BLOCKS = 12  # all_paths lists 2^n paths


@dataclass(frozen=True, eq=False)
class PathLengths:
    """Gradient by path length, over the n blocks between ``start`` and ``stop``.

    gradients: tuple of G_k, k = 0 ... longest, in the shape of x_l   remainder: g_l - sum of G_k, exactly the paths
    that were left out (zero up to rounding if none were)   residual_products: products with a residual operator used
    """

    start: int
    stop: int
    gradients: tuple
    g: Array
    remainder: Array
    residual_products: int
    complete: bool

    def __repr__(self):
        kept = "" if self.complete else f", to length {len(self.gradients) - 1}"
        return f"<PathLengths of {self.blocks} blocks{kept}, mean length {self.mean_length:.3g}>"

    @property
    def blocks(self) -> int:
        return self.stop - self.start

    @property
    def counts(self) -> list[int]:
        """Number of paths of each length: n over k."""
        return [math.comb(self.blocks, k) for k in range(len(self.gradients))]

    @property
    def norms(self) -> list[float]:
        """|G_k|, which do not add up."""
        return [norm(g) for g in self.gradients]

    @property
    def projections(self) -> list[float]:
        """<G_k, g_l> / <g_l, g_l>, which add up to 1."""
        size = dot(self.g, self.g)
        return [ratio(dot(g, self.g), size) for g in self.gradients]

    @property
    def mean_length(self) -> float:
        """Mean length weighted by |G_k|."""
        norms = self.norms
        return ratio(sum(k * size for k, size in enumerate(norms)), sum(norms))

    @property
    def error(self) -> float:
        """|sum of G_k - g_l| / |g_l|; of a truncated programme, the part that was left out."""
        return difference(sum(self.gradients), self.g)


def path_lengths(
    ledger: Traced,
    start: int = 0,
    stop: int | None = None,
    *,
    longest: int | None = None,
    progress: Callable[[Any], Any] = iter,
) -> PathLengths:
    """Return :class:`PathLengths` from x_L (L = ``stop``, default the last) back to x_l (l = ``start``).

    longest: longest paths wanted; longer ones are left out and their sum is the ``remainder``
    progress: what the loop over the blocks runs through; ``tqdm`` shows a bar
    """
    start, stop = ledger.span(start, stop)
    n = stop - start
    longest = n if longest is None else longest
    if not 0 <= longest <= n:
        raise RangeError(f"longest is {longest}, expected 0 to {n}, the number of blocks")
    by_length = [ledger.g(stop)]
    products = 0
    for block in progress(ledger.trunk.between(start, stop)[::-1]):
        if block.link:
            by_length = [block.backward(g) for g in by_length]
            continue
        found, branch = [], None  # the term of G_k that came through this branch
        for k, g in enumerate(by_length):
            shortcut, residual = block.split(g) if k < longest else (block.shortcut(g), None)
            found.append(shortcut if branch is None else shortcut + branch)
            branch = residual
            products += residual is not None
        if branch is not None:
            found.append(branch)
        by_length = found
    g = ledger.g(start)
    remainder = g - sum(by_length)
    gradients = tuple(map(frozen, by_length))
    return PathLengths(start, stop, gradients, g, frozen(remainder), products, longest == n)


def all_paths(ledger: Traced, start: int = 0, stop: int | None = None) -> Iterator[tuple[tuple[int, ...], Array]]:
    """Iterate over ``(numbers of the blocks whose branch is taken, gradient)`` for each of the 2^n paths, n <= 12."""
    start, stop = ledger.span(start, stop)
    n = stop - start
    if n > MOST_BLOCKS:
        raise RangeError(f"{n} blocks have 2^{n} paths, expected at most {MOST_BLOCKS} blocks: use path_lengths")
    subsets = chain.from_iterable(combinations(range(start, stop), k) for k in range(n + 1))
    return ((branches, _walk(ledger, start, stop, branches)) for branches in subsets)


@dataclass(frozen=True)
class SampledPaths:
    """Veit's curve: mean norm of single paths of each length, and what all paths of that length would bring.

    lengths: k   mean_norms: mean |gradient of a path of length k|   contributions: mean_norms times n over k, scaled
    to add up to 1   Norms of single paths: an upper bound on |G_k|, for the paths of one length may cancel.
    """

    lengths: tuple
    mean_norms: tuple
    contributions: tuple

    @property
    def mean_length(self) -> float:
        """The effective path length: the mean of k weighted by contribution."""
        return sum(k * part for k, part in zip(self.lengths, self.contributions))

    def band(self, part: float = 0.95) -> tuple[int, int]:
        """(shortest, longest) length of the middle ``part`` of the contributions."""
        sums = np.cumsum(self.contributions)
        low, high = (int(np.searchsorted(sums, p)) for p in ((1 - part) / 2, 1 - (1 - part) / 2))
        return self.lengths[low], self.lengths[min(high, len(self.lengths) - 1)]


def sample_paths(
    ledger: Traced,
    start: int = 0,
    stop: int | None = None,
    *,
    samples: int = 10,
    rng: Rng,
    progress: Callable[[Any], Any] = iter,
) -> SampledPaths:
    """Draw ``samples`` paths of each length and return :class:`SampledPaths`; where there are no more, all are taken.

    rng: a generator or a seed. Veit et al. 2016, section 5, figure 6.
    """
    if not is_integer(samples) or samples < 1:
        raise RangeError(f"samples is {samples!r}, expected an integer of at least 1")
    start, stop = ledger.span(start, stop)
    n = stop - start
    rng = np.random.default_rng(rng)
    means = []
    for k in progress(range(n + 1)):
        if math.comb(n, k) <= samples:
            drawn = list(combinations(range(start, stop), k))
        else:
            drawn = [start + rng.choice(n, k, replace=False) for _ in range(samples)]
        means.append(float(np.mean([norm(_walk(ledger, start, stop, branches)) for branches in drawn])))
    weights = [math.comb(n, k) * mean for k, mean in enumerate(means)]
    total = sum(weights) or 1
    return SampledPaths(tuple(range(n + 1)), tuple(means), tuple(w / total for w in weights))


def _walk(ledger, start, stop, branches):
    """The gradient of one path: through the branches of the given blocks and the shortcuts of all others."""
    branches = set(branches)
    g, number = ledger.g(stop), stop
    for block in reversed(ledger.trunk.between(start, stop)):
        if not block.link:
            number -= 1
        g = block.residual(g) if not block.link and number in branches else block.shortcut(g)
    return g
