"""Any convolution, as a matrix product of columns."""

import math

import numpy as np

from .. import constants
from ..memory import Chunk
from .base import Demands, Kernel, add_product, product


class Im2col(Kernel):
    """Blocks of rows of y as one product (pixels, KH KW C/G) (KH KW C/G, M/G) for each group.

    Filters and slot: (G, M/G, KH KW C/G), the weights with the channels innermost.
    """

    name = "im2col"
    adds = True

    @staticmethod
    def fits(g):
        return True

    @staticmethod
    def cost(g, images):
        return Im2col.by_columns(g, images, 1.5 * constants.PER_COPY)

    @staticmethod
    def making(g):
        return Im2col.numbers(g) * constants.PER_SORT

    @staticmethod
    def by_columns(g, images, per_copy):
        """Nanoseconds of the product, and of the columns at so many for a number."""
        columns = images * math.prod(g.out) * g.depth * g.groups
        per_run = constants.PER_RUN / (g.channels // g.groups)  # a run is the channels of one tap
        return g.flops * images * constants.PER_FLOP + columns * (per_copy + per_run)

    @staticmethod
    def demands(g):
        reach = [
            (o - 1) * s + d * (k - 1) + 1 - p for o, s, d, k, p in zip(g.out, g.stride, g.dilation, g.kernel, g.padding)
        ]
        border = max(*g.padding, *(r - s for r, s in zip(reach, g.size)), 0)
        return Demands(border, g.size, 0, g.out)

    def __init__(self, g, n, dtype):
        super().__init__(g, n, dtype)
        self.taps = [(i, j) for i in range(g.kernel[0]) for j in range(g.kernel[1])]
        # few rows for many filters would read the filters again and again
        work = max(constants.WORK, 2 * self.numbers(g))
        rows = max(1, min(g.out[0], work // (g.out[1] * n * g.depth * g.groups)))
        self.blocks = [range(r, min(r + rows, g.out[0])) for r in range(0, g.out[0], rows)]

    def forward_filters(self, weight, out):
        g = self.g
        taps = out.reshape(g.out_channels, len(self.taps), -1)
        taps[...] = weight.reshape(-1, g.channels // g.groups, len(self.taps)).transpose(0, 2, 1)
        return out.reshape(g.groups, -1, g.depth)

    input_filters = forward_filters

    def frozen_filters(self, weight, out):
        g = self.g
        taps = out.reshape(g.groups, len(self.taps), g.channels // g.groups, -1)
        taps[...] = weight.reshape(g.groups, -1, *taps.shape[2:0:-1]).transpose(0, 3, 2, 1)
        return out.reshape(g.groups, g.depth, -1).swapaxes(1, 2)

    def keep(self, slot, dweight, workspace):
        taps = slot.reshape(self.g.out_channels, len(self.taps), -1).swapaxes(1, 2)
        workspace.do(np.copyto, dweight.reshape(taps.shape), taps)

    def forward(self, x, y, filters, workspace):
        for rows in self.blocks:
            columns = self._columns(x, rows, workspace)
            for r, pixels in self._lines(y, rows):
                product(columns[:, r], filters.swapaxes(1, 2), pixels, workspace)

    def input_gradient(self, dy, dx, filters, workspace, adds=False):
        padded = workspace.views((self, "padded"), lambda: self._padded(workspace))
        workspace.do(padded.flat.fill, 0)
        for rows in self.blocks:
            dcolumns = self._room(rows, workspace)
            for r, pixels in self._lines(dy, rows):
                product(pixels, filters, dcolumns[:, r], workspace)
            # windows overlap, the pixels of one tap do not
            for target, part in zip(self._pixels(padded, rows), self._taps_of(dcolumns, rows, workspace)):
                workspace.do(np.add, target, part, target)
        if adds:
            workspace.do(np.add, dx.image, padded.image, dx.image)
        else:
            workspace.do(np.copyto, dx.image, padded.image)

    def weight_gradient(self, x, dy, slot, first, workspace):
        slot = slot.reshape(self.g.groups, -1, self.g.depth)
        for rows in self.blocks:
            columns = self._columns(x, rows, workspace)
            for r, pixels in self._lines(dy, rows):
                add_product(pixels.swapaxes(1, 2), columns[:, r], slot, first, workspace)
                first = False

    def _lines(self, y, rows):
        """[(pixels of the block, those of y as (G, pixels, M/G))]: all at once where no border is between the rows."""
        return y.views((self, rows), lambda y: self._line_views(y, rows))

    def _line_views(self, y, rows):
        g, width, views = self.g, self.g.out[1] * self.n, []
        many = len(rows) if y.line == g.out[1] * y.run else 1
        shape = g.groups, many * width, g.out_channels // g.groups
        for row in range(rows.start, rows.stop, many):
            start = (row - rows.start) * width
            pixels = y.window(row, 0, shape, (y.channels // g.groups, y.channels, 1))
            views.append((slice(start, start + many * width), pixels))
        return views

    def _columns(self, x, rows, workspace):
        """im2col of the given rows of y: (G, pixels, KH KW C/G)."""
        columns = self._room(rows, workspace)
        windows = x.views((self, rows), lambda x: self._windows(x, rows))
        workspace.do(np.copyto, self._as_windows(columns, rows, workspace), windows)
        return columns

    def _room(self, rows, workspace):
        return workspace.array("columns", (self.g.groups, len(rows) * self.g.out[1] * self.n, self.g.depth))

    def _windows(self, x, rows):
        """The windows of the given rows of y: a view of x as (rows, OW, n, KH, KW, G, C/G)."""
        g = self.g
        shape = (len(rows), g.out[1], self.n, *g.kernel, g.groups, g.channels // g.groups)
        steps = g.stride[0] * x.line, g.stride[1] * x.run, g.channels
        strides = (*steps, g.dilation[0] * x.line, g.dilation[1] * x.run, g.channels // g.groups, 1)
        return x.window(rows.start * g.stride[0] - g.padding[0], -g.padding[1], shape, strides)

    def _as_windows(self, columns, rows, workspace):
        """Columns as (rows, OW, n, KH, KW, G, C/G)."""
        g = self.g
        shape = (g.groups, len(rows), g.out[1], self.n, *g.kernel, g.channels // g.groups)
        return workspace.views((self, rows), lambda: columns.reshape(shape).transpose(1, 2, 3, 4, 5, 0, 6))

    def _pixels(self, x, rows):
        """The pixels that each tap meets, views of x as (rows, OW, n, G, C/G)."""
        return x.views((self, rows, "taps"), lambda x: self._by_tap(self._windows(x, rows)))

    def _taps_of(self, columns, rows, workspace):
        """The columns of each tap, in the same form."""
        windows = self._as_windows(columns, rows, workspace)
        return workspace.views((self, rows, "taps"), lambda: self._by_tap(windows))

    def _by_tap(self, windows):
        return [windows[:, :, :, i, j] for i, j in self.taps]

    def _padded(self, workspace):
        g, border = self.g, self.demands(self.g).x_border
        form = g.channels, g.size, g.size, border
        return Chunk(workspace.flat("padded", Chunk.numbers(self.n, *form)), self.n, *form)
