"""The convolution of images with few channels, such as the 7x7 stem of a network for large images."""

import math

import numpy as np

from .. import constants
from .base import Kernel, add_product, product
from .im2col import Im2col


class Planar(Im2col):
    """im2col with the pixels innermost: with three channels a pixel is too short a run to copy.

    x is sorted into planes first, one for each channel and each phase of the stride; in a plane, the pixels that one
    tap meets along a row lie side by side, whatever the stride. Then for blocks of rows of y:

        columns (KH KW C, pixels)        y = columns^T filters        slot = columns dy
    """

    name = "planar"

    @staticmethod
    def fits(g):
        return g.groups == 1 and g.channels <= 4 and g.dilation == (1, 1)

    making = Kernel.making

    @staticmethod
    def cost(g, images):
        columns = images * math.prod(g.out) * g.depth
        planes = images * math.prod(g.size) * g.channels * 2
        return g.flops * images * constants.PER_FLOP + columns * constants.PER_COPY + planes

    def __init__(self, g, n, dtype):
        super().__init__(g, n, dtype)
        (kh, kw), (sh, sw) = g.kernel, g.stride
        self.plane = g.out[0] + (kh - 1) // sh, g.out[1] + (kw - 1) // sw  # rows and columns of one phase
        rows = max(1, min(g.out[0], constants.WORK // (g.out[1] * n * g.depth)))
        self.blocks = [range(r, min(r + rows, g.out[0])) for r in range(0, g.out[0], rows)]

    @staticmethod
    def demands(g):
        demands = Im2col.demands(g)
        # whole planes are read: their last row or column may be one of zeros that no tap meets
        return demands._replace(x_border=demands.x_border + max(g.stride) - 1)

    def forward_filters(self, weight, out):
        out = out.reshape(len(self.taps), self.g.channels, self.g.out_channels)
        out[...] = weight.reshape(-1, self.g.channels, len(self.taps)).transpose(2, 1, 0)
        return out.reshape(self.g.depth, -1)

    frozen_filters = Kernel.frozen_filters

    def keep(self, slot, dweight, workspace):
        taps = slot.reshape(len(self.taps), self.g.channels, self.g.out_channels).transpose(2, 1, 0)
        workspace.do(np.copyto, dweight.reshape(taps.shape), taps)

    def forward(self, x, y, filters, workspace):
        planes = self._planes(x, workspace)
        for rows in self.blocks:
            columns = self._sorted(planes, rows, workspace)
            for r, pixels in self._lines(y, rows):
                product(columns[:, r].T, filters, pixels[0], workspace)

    def weight_gradient(self, x, dy, slot, first, workspace):
        planes, slot = self._planes(x, workspace), slot.reshape(self.g.depth, -1)
        for rows in self.blocks:
            columns = self._sorted(planes, rows, workspace)
            for r, pixels in self._lines(dy, rows):
                add_product(columns[:, r], pixels[0], slot, first, workspace)
                first = False

    def _planes(self, x, workspace):
        """x as (SH, SW, C, rows, columns, n): planes[a, b, c, r, s] is the pixel (r SH + a, s SW + b)."""
        (sh, sw), (height, width), c = self.g.stride, self.plane, self.g.channels
        planes = workspace.array("planes", (sh, sw, c, height, width, self.n))
        source = x.views(
            (self, "planes"),
            lambda x: x.window(
                -self.g.padding[0],
                -self.g.padding[1],
                (sh, sw, c, height, width, self.n),
                (x.line, x.run, 1, sh * x.line, sw * x.run, x.channels),
            ),
        )
        workspace.do(np.copyto, planes, source)
        return planes

    def _sorted(self, planes, rows, workspace):
        """The columns of a block of rows: (KH KW C, pixels)."""
        (sh, sw), c, width = self.g.stride, self.g.channels, self.g.out[1]
        columns = workspace.array("columns", (len(self.taps), c, len(rows), width, self.n))
        for k, (i, j) in enumerate(self.taps):
            top, left = rows.start + i // sh, j // sw
            workspace.do(np.copyto, columns[k], planes[i % sh, j % sw, :, top : top + len(rows), left : left + width])
        return columns.reshape(self.g.depth, -1)
