"""The numbers of the affine maps in one run: sums over the chunks, coefficients, and rows of them to multiply by.

A batch norm over the batch is known only when every chunk has given its sums. Each chunk counts from a value of its
own (the mean of its first rows), so that nothing cancels, and the chunks are merged as in Chan et al. 1979, "Updating
Formulae and a Pairwise Algorithm for Computing Sample Variances", eq. 2.1; always in the order of the chunks, whichever
thread was first. What the maps mean stands in :mod:`minires.engine.affine`.
"""

import numpy as np


class State:
    """One affine map in one run: sums of its chunks, coefficients, and scale, shift, mean for a row.

    sizes: images of each chunk
    """

    def __init__(self, affine, sizes, dtype):
        value, chunks = affine.y, len(sizes)
        self.affine, self.channels = affine, value.channels
        self.counts = [value.size[0] * value.size[1] * n for n in sizes]
        self.values = sum(self.counts)
        self.sums, self.squares = (np.zeros((chunks, self.channels), dtype) for _ in range(2))
        self.lengths = {n: value.size[1] * n for n in set(sizes)}
        self.ones = {n: np.ones(length, dtype) for n, length in self.lengths.items()}
        self.tiles = {
            n: [np.zeros(length * self.channels, dtype) for _ in range(3)] for n, length in self.lengths.items()
        }
        self.coefficients = None

    @property
    def scale(self):
        return self.coefficients.scale

    def fold(self, row, n):
        """(W n C,) -> (C,): the sum of each channel."""
        return self.ones[n] @ row.reshape(-1, self.channels)

    def fix(self):
        """Compute the coefficients and tile them: each again and again in a row (W n C,)."""
        if self.affine.over_batch:
            self._merged = mean, squares = self.merged()
            found = self.affine.coefficients(mean, squares / self.values)
        else:
            found = self.affine.coefficients()
        self.coefficients = found
        for scale, shift, mean in self.tiles.values():
            if found.scale is not None:
                scale.reshape(-1, self.channels)[...] = found.scale
                mean.reshape(-1, self.channels)[...] = found.mean
            shift.reshape(-1, self.channels)[...] = found.shift

    def measure(self, i, chunk, blocks, workspace):
        """Sums of chunk i: ``sums`` its mean, ``squares`` the squared deviations from it."""
        rows, n, count = chunk.rows, chunk.n, self.counts[i]
        first = rows[blocks[0]]
        near = self.fold(np.add.reduce(first, axis=0), n) / (count / len(rows) * len(first))
        origin = workspace.array("origin", (rows.shape[1],))
        origin.reshape(-1, self.channels)[...] = near
        total, squares = 0, 0
        for block in blocks:
            part = rows[block]
            apart = workspace.array("apart", part.shape)
            np.subtract(part, origin, out=apart)
            total = total + np.add.reduce(apart, axis=0)
            np.multiply(apart, apart, out=apart)
            squares = squares + np.add.reduce(apart, axis=0)
        off = self.fold(total, n) / count
        self.sums[i] = near + off
        self.squares[i] = self.fold(squares, n) - count * off * off

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


class Slopes:
    """The gradient of one affine map in one run: sums S1, S2 of the chunks, then rows of slope and level."""

    def __init__(self, state):
        self.state = state
        self.s1, self.s2 = (np.zeros_like(state.sums) for _ in range(2))
        self.tiles = {n: [np.zeros_like(t) for t in tiles[:2]] for n, tiles in state.tiles.items()}

    def finish(self):
        """Add the gradients of the parameters; prepare dy."""
        state, affine, of = self.state, self.state.affine, self.state.coefficients
        s1, s2 = self.s1.sum(axis=0), self.s2.sum(axis=0)
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
