"""What is added to a value or scales it, channel by channel: batch norm, folded batch norm, the bias of a convolution.

    z = scale y + shift            scale, shift: (C,)

A batch norm over the batch is known only when every chunk has given its sums. Each chunk counts from a value of its
own (the mean of its first rows), so that nothing cancels, and the chunks are merged as in Chan et al. 1979, "Updating
Formulae and a Pairwise Algorithm for Computing Sample Variances", eq. 2.1; always in the order of the chunks, whichever
thread was first.

With Z = dL/dz, S1 = sum Z and S2 = sum Z (y - mean), the gradient of the batch norm is again affine in Z and y:

    dbeta = S1     dgamma = istd S2     dy = scale (Z + slope (y - mean) - S1 / m),   slope = -istd^2 S2 / m
"""

import numpy as np


class Affine:
    """z = scale y + shift of one value in one run. ``layer`` holds the parameters, m counts the values of a channel."""

    over_batch = False  # whether the coefficients depend on every chunk
    scales = False
    normalises = True

    def __init__(self, layer):
        self.layer = layer

    def start(self, frame, value):
        return State(frame, value, self)


class Bias(Affine):
    """The bias of a convolution: shift alone."""

    normalises = False

    def coefficients(self, state):
        return None, self.layer.bias.data

    def gradients(self, s1, s2, state):
        accumulate(self.layer.bias, s1)


class RunningNorm(Affine):
    """Batch norm by its running statistics, a constant map."""

    scales = True

    def coefficients(self, state):
        bn = self.layer
        state.mean = bn.running_mean.data
        state.istd = 1 / np.sqrt(bn.running_var.data + bn.eps)
        scale = bn.gamma.data * state.istd
        return scale, bn.beta.data - state.mean * scale

    def gradients(self, s1, s2, state):
        accumulate(self.layer.beta, s1)
        accumulate(self.layer.gamma, s2 * state.istd)


class FoldedNorm(RunningNorm):
    """What is left of a batch norm whose scale has gone into the filters of the convolution before it: the shift.

    ``convolution``: its bias, if it has one, is scaled too.
    """

    scales = False

    def __init__(self, layer, convolution):
        super().__init__(layer)
        self.convolution = convolution

    def coefficients(self, state):
        scale, shift = super().coefficients(state)
        bias = self.convolution.bias
        return None, shift if bias is None else shift + scale * bias.data


class BatchNorm(RunningNorm):
    """Batch norm by the statistics of the batch."""

    over_batch = True

    def coefficients(self, state):
        bn, m = self.layer, state.values
        mean, squares = state.merged()
        var = squares / m
        state.mean, state.istd = mean, 1 / np.sqrt(var + bn.eps)
        scale = bn.gamma.data * state.istd
        return scale, bn.beta.data - mean * scale

    def track(self, state):
        """Move the running statistics: once for each forward in training."""
        bn, m = self.layer, state.values
        mean, squares = state.merged()
        for running, batch in ((bn.running_mean, mean), (bn.running_var, squares / (m - 1))):
            running.data = (1 - bn.momentum) * running.data + bn.momentum * batch


class State:
    """The numbers of one affine map in one run: sums of its chunks, coefficients, and scale, shift, mean for a row."""

    def __init__(self, frame, value, affine):
        self.affine, self.channels, chunks = affine, value.channels, len(frame.sizes)
        self.counts = [value.size[0] * value.size[1] * n for n in frame.sizes]
        self.values = sum(self.counts)
        dtype = frame.dtype
        self.sums, self.squares = (np.zeros((chunks, self.channels), dtype) for _ in range(2))
        self.lengths = {n: value.size[1] * n for n in set(frame.sizes)}
        self.ones = {n: np.ones(length, dtype) for n, length in self.lengths.items()}
        self.tiles = {
            n: [np.zeros(length * self.channels, dtype) for _ in range(3)] for n, length in self.lengths.items()
        }
        self.scale = self.shift = self.mean = self.istd = None

    def fold(self, row, n):
        """(W n C,) -> (C,): the sum of each channel."""
        return self.ones[n] @ row.reshape(-1, self.channels)

    def tile(self, k, n, v):
        """The k-th row of coefficients, filled with v (C,) again and again: (W n C,)."""
        tile = self.tiles[n][k]
        tile.reshape(-1, self.channels)[...] = v
        return tile

    def fix(self):
        """Compute the coefficients and tile them."""
        self.scale, self.shift = self.affine.coefficients(self)
        for n in self.tiles:
            if self.scale is not None:
                self.tile(0, n, self.scale)
                self.tile(2, n, self.mean)
            self.tile(1, n, self.shift)

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


class Slopes:
    """The gradient of one affine map in one run: sums S1, S2 of the chunks, then dy = scale (Z + slope y + level)."""

    def __init__(self, state):
        self.state = state
        self.s1, self.s2 = (np.zeros_like(state.sums) for _ in range(2))
        self.tiles = {n: [np.zeros_like(t) for t in tiles[:2]] for n, tiles in state.tiles.items()}

    def finish(self):
        """Add the gradients of the parameters; prepare dy."""
        state, affine = self.state, self.state.affine
        s1, s2 = self.s1.sum(axis=0), self.s2.sum(axis=0)
        affine.gradients(s1, s2, state)
        if not affine.over_batch:
            return
        slope = -(state.istd**2) * s2 / state.values
        level = -s1 / state.values - slope * state.mean
        for tiles in self.tiles.values():
            for tile, v in zip(tiles, (slope, level)):
                tile.reshape(-1, state.channels)[...] = v


def accumulate(param, grad):
    if not param.frozen:
        param.grad += grad
