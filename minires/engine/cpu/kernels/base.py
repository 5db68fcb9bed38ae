"""What the algorithms for convolution share."""

from typing import NamedTuple

import numpy as np

from .. import constants
from ..crew import dealt
from ..cut import shared, slices


class Demands(NamedTuple):
    """What a kernel asks of its chunks: borders of zeros for x and dy, extents for x and dx and for y and dy."""

    x_border: int
    x_extent: tuple
    dy_border: int
    y_extent: tuple


class Kernel:
    """A convolution of chunks of n images by one algorithm.

    x: (H, W, n, C)   weight: (M, C/G, KH, KW)   y, dy: (OH, OW, n, M)

        forward(x, y, filters)                y = x * w
        input_gradient(dy, dx, filters)       dx: the adjoint of forward in x; with ``adds`` it is added
        weight_gradient(x, dy, slot, first)   slot: the adjoint in w, in the algorithm's own form; added unless first
        keep(slot, dweight)                   dweight: the same in the form of the weight; a slot may have it anyway

    ``filters`` hold the weights as the products want them; ``forward_filters`` and ``input_filters`` make them once for
    all chunks, in memory that is there. ``frozen_filters`` are those of forward for many runs: they may lie as BLAS
    reads them, with the output channels innermost, which takes longer to make.
    """

    adds = False  # whether input_gradient can add
    in_place = False  # whether dweight may lie where the slot begins

    def __init__(self, g, n, dtype):
        self.g, self.n = g, n

    @staticmethod
    def fits(g):
        """Whether the algorithm computes this convolution."""
        raise NotImplementedError

    @staticmethod
    def cost(g, images):
        """Estimated nanoseconds of one pass."""
        raise NotImplementedError

    @staticmethod
    def making(g):
        """Estimated nanoseconds of making the filters, which frozen ones spare a pass."""
        return 0

    @staticmethod
    def reading(g):
        """Estimated nanoseconds of reading filters that are no longer in the cache, for one chunk."""
        return 0

    @staticmethod
    def demands(g):
        raise NotImplementedError

    @staticmethod
    def numbers(g):
        """Numbers of the filters, and of a slot."""
        return g.out_channels * g.depth

    def frozen_filters(self, weight, out):
        return self.forward_filters(weight, out)

    def keep(self, slot, dweight, workspace):
        pass


def product(a, b, out, workspace):
    """out = a b. Where a batch is one chunk, the threads share its large products in pieces.

    The pieces are the same for any number of threads: BLAS may sum smaller matrices in another order.
    """
    if workspace.crew is None or not shared(out.size * a.shape[-1]):
        workspace.do(np.matmul, a, b, out)
        return
    stacked, (rows, columns) = out.ndim > 2 and len(out) >= constants.PIECES, out.shape[-2:]

    def piece(s):
        if stacked:
            return *(m[s] if m.ndim == out.ndim else m for m in (a, b)), out[s]
        if columns >= rows:
            return a, b[..., s], out[..., s]
        return a[..., s, :], b, out[..., s, :]

    length = len(out) if stacked else max(rows, columns)
    for s, area in dealt(slices(length, constants.PIECES), workspace, long=True):
        area.do(np.matmul, *piece(s))


def add_product(a, b, out, first, workspace):
    """out = a b if first, else out += a b."""
    if first:
        product(a, b, out, workspace)
    else:
        part = workspace.array("part", out.shape)
        product(a, b, part, workspace)
        workspace.do(np.add, out, part, out)
