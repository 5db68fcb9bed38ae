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

    def add_sums(self, rows, n, total, workspace):
        """total (C,) += the sum of each channel of rows (rows, W n C)."""
        row, sums = workspace.array("row", rows.shape[1:]), workspace.array("sums", total.shape)
        workspace.do(np.add.reduce, rows, 0, None, row)
        workspace.do(np.matmul, self.ones[n], row.reshape(-1, self.channels), sums)
        workspace.do(np.add, total, sums, total)

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
        rows, do = chunk.rows, workspace.do
        origin, row, total, squares = (workspace.array(name, rows.shape[1:]) for name in ("origin", "row", *_SUMS))
        first = rows[blocks[0]]
        do(np.add.reduce, first, 0, None, row)
        do(self._begin, i, chunk.n, len(first) / len(rows), row, origin)
        for block in blocks:
            part = rows[block]
            apart = workspace.array("apart", part.shape)
            do(np.subtract, part, origin, apart)
            _add_rows(apart, total, row, block is blocks[0], do)
            do(np.multiply, apart, apart, apart)
            _add_rows(apart, squares, row, block is blocks[0], do)
        do(self._end, i, chunk.n, total, squares)

    def _begin(self, i, n, share, row, origin):
        """The origin: the mean of the chunk's first rows, a ``share`` of all."""
        self.sums[i] = self.fold(row, n) / (self.counts[i] * share)
        origin.reshape(-1, self.channels)[...] = self.sums[i]

    def _end(self, i, n, total, squares):
        count = self.counts[i]
        off = self.fold(total, n) / count
        self.sums[i] += off
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


_SUMS = "total", "squares"


def _add_rows(rows, total, row, first, do):
    """total += the sum of the rows, or total = it."""
    do(np.add.reduce, rows, 0, None, total if first else row)
    if not first:
        do(np.add, total, row, total)


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
