"""1x1 convolution without padding: each pixel is a row of one matrix product."""

import numpy as np

from .. import constants
from .base import Demands, Kernel, add_product, product


class Pointwise(Kernel):
    """Filters and slot: (M, C), as the weight. With a stride only every so many-th pixel is a row."""

    name = "product"
    in_place = True

    @staticmethod
    def fits(g):
        return g.kernel == (1, 1) and g.padding == (0, 0) and g.groups == 1

    @staticmethod
    def cost(g, images):
        return g.flops * images * constants.PER_FLOP

    @staticmethod
    def demands(g):
        return Demands(0, g.size, 0, g.out)

    def __init__(self, g, n, dtype):
        super().__init__(g, n, dtype)
        self.adds = g.stride != (1, 1)
        rows = max(1, min(g.out[0], constants.WORK // (g.out[1] * n * max(g.channels, g.out_channels))))
        self.blocks = [slice(r, min(r + rows, g.out[0])) for r in range(0, g.out[0], rows)]

    def forward_filters(self, weight, out):
        out = out.reshape(self.g.out_channels, self.g.channels)
        out[...] = weight[:, :, 0, 0]
        return out

    input_filters = forward_filters

    def frozen_filters(self, weight, out):
        return self.forward_filters(weight, out.reshape(self.g.channels, self.g.out_channels).T)

    def forward(self, x, y, filters, workspace):
        for rows in self.blocks:
            pixels, target = self._pixels(self._taken(x, rows, workspace), y, rows)
            product(pixels, filters.T, target, workspace)

    def input_gradient(self, dy, dx, filters, workspace, adds=False):
        if self.g.stride == (1, 1):
            for rows in self.blocks:
                target, pixels = self._pixels(self._matrix(dx, rows), dy, rows)
                product(pixels, filters, target, workspace)
            return
        if not adds:
            workspace.do(dx.image.fill, 0)
        for rows in self.blocks:
            kept, pixels = self._strided(dx)[rows], self._matrix(dy, rows)
            part = workspace.array("taken", (*pixels.shape[:-1], self.g.channels))
            product(pixels, filters, part, workspace)
            workspace.do(np.add, kept, part.reshape(kept.shape), kept)

    def weight_gradient(self, x, dy, slot, first, workspace):
        slot = slot.reshape(self.g.out_channels, self.g.channels)
        for rows in self.blocks:
            pixels, upstream = self._pixels(self._taken(x, rows, workspace), dy, rows)
            for a, b in [(pixels, upstream)] if pixels.ndim == 2 else zip(pixels, upstream):
                add_product(b.T, a, slot, first, workspace)
                first = False

    def _pixels(self, a, b, rows):
        """A matrix and rows of a chunk in equal form: (pixels, C), or (rows, pixels, C) where one has a border."""
        b = self._matrix(b, rows)
        if a.ndim != b.ndim:
            lines = rows.stop - rows.start
            a, b = (m if m.ndim == 3 else m.reshape(lines, -1, m.shape[-1]) for m in (a, b))
        return a, b

    def _matrix(self, chunk, rows):
        """The given rows of an image as (pixels, C), or (rows, pixels, C) where a border lies between the rows."""
        return chunk.views((self, rows.start), lambda c: self._matrix_view(c, rows))

    def _matrix_view(self, chunk, rows):
        height, width = rows.stop - rows.start, chunk.image.shape[1] * chunk.n
        if chunk.line == width * chunk.channels:
            return chunk.window(rows.start, 0, (height * width, chunk.channels), (chunk.channels, 1))
        return chunk.window(rows.start, 0, (height, width, chunk.channels), (chunk.line, chunk.channels, 1))

    def _strided(self, x):
        return x.image[:: self.g.stride[0], :: self.g.stride[1]]

    def _taken(self, x, rows, workspace):
        """Every stride-th pixel of x, for the given rows of y."""
        if self.g.stride == (1, 1):
            return self._matrix(x, rows)
        kept = self._strided(x)[rows]
        taken = workspace.array("taken", kept.shape)
        workspace.do(np.copyto, taken, kept)
        return taken.reshape(-1, self.g.channels)
