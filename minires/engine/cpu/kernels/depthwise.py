"""Depthwise convolution: one filter for each channel, without any sum over channels."""

import math

import numpy as np

from .. import constants
from ..calls import add_sums
from .base import Kernel
from .im2col import Im2col


class Depthwise(Kernel):
    """Tap by tap, y += w[tap] x[shifted]: with one channel to a group there is no matrix product to gain from.

    Filters and slot: (KH KW, C); a row of pixels is n C numbers long, the filter is repeated along it.
    """

    name = "depthwise"

    @staticmethod
    def fits(g):
        return g.groups == g.channels == g.out_channels > 1

    @staticmethod
    def cost(g, images):
        return images * math.prod(g.out) * g.channels * math.prod(g.kernel) * 2 * constants.PER_COPY

    demands = staticmethod(Im2col.demands)

    def __init__(self, g, n, dtype):
        super().__init__(g, n, dtype)
        self.taps = [(i, j) for i in range(g.kernel[0]) for j in range(g.kernel[1])]
        self.im2col = Im2col(g, n, dtype)
        run = g.out[1] * n * g.channels
        rows = max(1, min(g.out[0], constants.TAPS // run))
        self.im2col.blocks = self.blocks = [range(r, min(r + rows, g.out[0])) for r in range(0, g.out[0], rows)]

    def forward_filters(self, weight, out):
        out = out.reshape(len(self.taps), self.g.channels)
        out[...] = weight.reshape(self.g.channels, -1).T
        return out

    input_filters = forward_filters

    def keep(self, slot, dweight, workspace):
        taps = slot.reshape(len(self.taps), self.g.channels).T
        workspace.do(np.copyto, dweight.reshape(taps.shape), taps)

    def forward(self, x, y, filters, workspace):
        repeated = self._repeated(filters, workspace)
        for rows in self.blocks:
            out = y.image[rows.start : rows.stop]
            part = workspace.array("part", out.shape)
            for k in range(len(self.taps)):
                workspace.do(np.multiply, self._tap(x, rows, k), repeated[k], part if k else out)
                if k:
                    workspace.do(np.add, out, part, out)

    def input_gradient(self, dy, dx, filters, workspace, adds=False):
        padded = workspace.views((self, "padded"), lambda: self.im2col._padded(workspace))
        workspace.do(padded.flat.fill, 0)
        repeated = self._repeated(filters, workspace)
        for rows in self.blocks:
            upstream = dy.image[rows.start : rows.stop]
            part = workspace.array("part", upstream.shape)
            for k in range(len(self.taps)):
                workspace.do(np.multiply, upstream, repeated[k], part)
                target = self._tap(padded, rows, k)
                workspace.do(np.add, target, part, target)
        workspace.do(np.copyto, dx.image, padded.image)

    def weight_gradient(self, x, dy, slot, first, workspace):
        slot = slot.reshape(len(self.taps), self.g.channels)
        if first:
            workspace.do(slot.fill, 0)
        for rows in self.blocks:
            upstream = dy.image[rows.start : rows.stop]
            part = workspace.array("part", upstream.shape)
            for k in range(len(self.taps)):
                workspace.do(np.multiply, upstream, self._tap(x, rows, k), part)
                workspace.do(add_sums, slot[k], part)

    def _tap(self, x, rows, k):
        """Pixel k of each window: (rows, OW, n, C)."""
        windows = x.views((self, rows), lambda x: self.im2col._windows(x, rows))
        return windows[(*[slice(None)] * 3, *self.taps[k])][..., 0]

    def _repeated(self, filters, workspace):
        """The filters beside each image of the chunk: (KH KW, n, C)."""
        repeated = workspace.array("repeated", (len(self.taps), self.n, self.g.channels))
        workspace.do(np.copyto, repeated, filters[:, None])
        return repeated
