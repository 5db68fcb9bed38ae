"""The numbers of the affine maps in one run: sums over the chunks, coefficients, and rows of them to multiply by.

A batch norm over the batch is known only when every chunk has given its sums, of y and of y^2. Where the mean of a
channel is far from zero these cancel, and the chunk is summed again from its mean. The chunks are merged as in Chan et
al. 1979, "Updating Formulae and a Pairwise Algorithm for Computing Sample Variances", eq. 2.1; always in the order of
the chunks, whichever thread was first. What the maps mean stands in :mod:`minires.engine.affine`.
"""

import numpy as np

from .calls import FAR, centre, sum_products, take
from .crew import dealt
from .memory import constant, pages, side_by_side


class State:
    """One affine map in one run: sums of its chunks, coefficients, and scale, shift, mean for a row.

    sizes: images of each chunk   ``near``: whether all means are near zero, so that sum Z y loses no digits by them
    zeros: makes the memory
    """

    def __init__(self, affine, sizes, dtype, zeros=pages):
        value, chunks = affine.y, len(sizes)
        self.affine, self.channels = affine, value.channels
        self.counts = [value.size[0] * value.size[1] * n for n in sizes]
        self.values = sum(self.counts)
        lengths = {n: value.size[1] * n for n in set(sizes)}
        self.ones = {n: constant(np.ones(length, dtype)) for n, length in lengths.items()}
        rows = {n: length * self.channels for n, length in lengths.items()}
        many = [chunks * self.channels] * 2 + [row for row in rows.values() for _ in range(3)]
        self.sums, self.squares, *tiles = side_by_side(many, dtype, zeros)
        self.sums, self.squares = (each.reshape(chunks, self.channels) for each in (self.sums, self.squares))
        self.tiles = {n: tiles[3 * k : 3 * k + 3] for k, n in enumerate(rows)}
        self.coefficients, self.near = None, True

    @property
    def scale(self):
        return self.coefficients.scale

    def fix(self):
        """Compute the coefficients and tile them: each again and again in a row (W n C,)."""
        if self.affine.over_batch:
            self._merged = mean, squares = self.merged()
            found = self.affine.coefficients(mean, squares / self.values)
        else:
            found = self.affine.coefficients()
        self.coefficients = found
        self.near = found.mean is None or not ((found.mean * found.istd) ** 2 > FAR).any()
        for scale, shift, mean in self.tiles.values():
            if found.scale is not None:
                scale.reshape(-1, self.channels)[...] = found.scale
                mean.reshape(-1, self.channels)[...] = found.mean
            shift.reshape(-1, self.channels)[...] = found.shift

    def measure(self, i, chunk, bands, workspace):
        """Sums of chunk i: ``sums`` its mean, ``squares`` the squared deviations from it."""
        pairs = workspace.array("pairs", (len(bands), 2, *chunk.rows.shape[1:]))
        for (band, pair), area in dealt(list(zip(bands, pairs)), workspace):
            for block in band:
                part = chunk.rows[block]
                for total, factor in zip(pair, (None, part)):
                    sum_rows(part, factor, total, block is band[0], area)
        pair = whole(pairs, workspace)
        workspace.do(centre, pair, chunk.rows, self.ones[chunk.n], self.sums[i], self.squares[i])

    def merged(self):
        """(mean, sum of squared deviations) over all chunks."""
        count, mean, squares = self.counts[0], self.sums[0], self.squares[0]
        for m, other, more in zip(self.counts[1:], self.sums[1:], self.squares[1:]):
            gap = other - mean
            mean = mean + gap * (m / (count + m))
            squares = squares + more + gap * gap * (count * m / (count + m))
            count += m
        return mean, squares

    def track(self):
        """Move the running statistics of a batch norm over the batch."""
        mean, squares = self._merged
        self.affine.track(mean, squares / (self.values - 1))


def sum_rows(rows, factor, total, first, workspace):
    """total (W n C,) = the sum of the rows, each times its factor; added to it unless ``first``."""
    out = total if first else workspace.array("row", total.shape)
    if factor is None:
        workspace.do(np.add.reduce, rows, 0, None, out)
    else:
        workspace.do(sum_products, rows, factor, out)
    if not first:
        workspace.do(np.add, total, out, total)


def whole(parts, workspace):
    """The sum of what several bands have given, in place of the first."""
    for part in parts[1:]:
        workspace.do(np.add, parts[0], part, parts[0])
    return parts[0]


class Slopes:
    """The gradient of one affine map in one run: sums of the chunks, then rows of slope and level.

    ``s1``: sum Z   ``s2``: sum Z (y - mean), or sum Z y where the mean is near zero   zeros: makes the memory
    """

    def __init__(self, state, zeros=pages):
        self.state = state
        many = [state.sums.size] * 2 + [tiles[0].size for tiles in state.tiles.values() for _ in range(2)]
        self.s1, self.s2, *tiles = side_by_side(many, state.sums.dtype, zeros)
        self.s1, self.s2 = (each.reshape(state.sums.shape) for each in (self.s1, self.s2))
        self.tiles = {n: tiles[2 * k : 2 * k + 2] for k, n in enumerate(state.tiles)}

    def take(self, i, n, pair, workspace):
        """The sums of chunk i, which are those of its rows so far; the second only where there is a scale."""
        workspace.do(take, pair, self.state.ones[n], self.s1[i], self.s2[i])

    def finish(self):
        """Add the gradients of the parameters; prepare dy."""
        state, affine, of = self.state, self.state.affine, self.state.coefficients
        s1, s2 = self.s1.sum(axis=0), self.s2.sum(axis=0)
        if affine.scales and state.near:
            s2 -= of.mean * s1
        for param, grad in affine.gradients(s1, s2, of.istd):
            if not param.frozen:
                param.grad += grad
        if not affine.over_batch:
            return
        for tiles in self.tiles.values():
            for tile, v in zip(tiles, affine.slopes(s1, s2, of, state.values)):
                tile.reshape(-1, state.channels)[...] = v


def fix(frame, affine):
    """What is done once the chunks have been measured."""
    frame.states[affine].fix()


def finish(frame, affine):
    """What is done once the chunks have given S1 and S2."""
    with frame.lock:
        frame.slopes[affine].finish()
