"""Convolution of one chunk, by three algorithms with one interface.

x: (H, W, n, C)   weight: (M, C/G, KH, KW)   y, dy: (OH, OW, n, M), as :class:`~minires.engine.cpu.memory.Chunk`

    forward(x, y, filters)            y = x * w
    input_gradient(dy, dx, filters)   dx: the adjoint of forward in x
    weight_gradient(x, dy, slot)      slot += the adjoint in w, in the algorithm's own form

``filters`` are the weights in the form that the products want (``forward_filters``, ``input_filters``), made once
for all chunks; ``to_weight`` turns the sum of the slots into the shape of the weights. ``Demands`` says which borders
and extents the chunks must have.
"""

import math
from typing import NamedTuple

import numpy as np

from .memory import Chunk
from .winograd import AT, BT, FILTER, FLIPPED, PLACES, TILE, FromTiles, ToTiles, filter_gradient, filters

WORK = 300_000  # numbers of a work area: with its products it should stay in the second-level cache


class Geometry(NamedTuple):
    """A convolution without its values."""

    channels: int
    out_channels: int
    kernel: tuple
    stride: tuple
    padding: tuple
    dilation: tuple
    groups: int
    size: tuple
    out: tuple

    @property
    def flops(self):
        """Multiplications and additions of the definition, for one image."""
        return 2 * math.prod(self.out) * self.out_channels * self.channels // self.groups * math.prod(self.kernel)


class Demands(NamedTuple):
    """What an algorithm asks of its chunks: border and extent of x and of dy; y and dx need the extents alone."""

    x_border: int
    x_extent: tuple
    dy_border: int
    y_extent: tuple


class Winograd:
    """3x3 with stride 1 or 2 and padding 1, see :mod:`~minires.engine.cpu.winograd`; slot: (36, C, M)."""

    name = "winograd"

    @staticmethod
    def fits(g):
        plain = g.kernel == (3, 3) and g.padding == (1, 1) and g.dilation == (1, 1) and g.groups == 1
        return plain and g.stride in ((1, 1), (2, 2))

    @staticmethod
    def demands(g):
        extent = tuple(-(-s // TILE) * TILE for s in g.size)
        return Demands(1, extent, 1, tuple(e // g.stride[0] for e in extent))

    @staticmethod
    def numbers(g):
        """Numbers of the filters and of a slot."""
        return PLACES * g.channels * g.out_channels

    def __init__(self, g, n, dtype):
        self.g, stride = g, g.stride[0]
        tiles = [-(-s // TILE) for s in g.size]
        area = PLACES * tiles[1] * n * max(g.channels, g.out_channels)
        self.height = max(d for d in range(1, tiles[0] + 1) if tiles[0] % d == 0 and (d == 1 or d * area <= WORK))
        self.blocks = range(0, tiles[0], self.height)
        block, kept = (self.height, tiles[1]), TILE // stride
        at, bt = AT[::stride].astype(dtype), BT.astype(dtype)
        # with stride 2 every other row and column of the spread dy is zero: the columns of B^T there are left out
        self.to_tiles = ToTiles(bt, block, TILE, n, g.channels)
        self.from_tiles = FromTiles(at, block, n, g.out_channels)
        self.dy_to_products = ToTiles(np.ascontiguousarray(at.T), block, kept, n, g.out_channels)
        self.dy_to_tiles = ToTiles(bt if stride == 1 else bt[:, 1::2].copy(), block, kept, n, g.out_channels)
        self.dx_from_tiles = FromTiles(AT.astype(dtype), block, n, g.channels)
        self.kept, self.first = kept, -1 if stride == 1 else 0

    def forward_filters(self, weight, out):
        out = out.reshape(PLACES, self.g.channels, self.g.out_channels)
        filters(weight.transpose(1, 0, 2, 3), FILTER, out)
        return out

    def input_filters(self, weight, out):
        out = out.reshape(PLACES, self.g.out_channels, self.g.channels)
        filters(weight, FLIPPED, out)
        return out

    def to_weight(self, slots):
        return filter_gradient(slots.reshape(PLACES, self.g.channels, self.g.out_channels)).transpose(1, 0, 2, 3)

    def forward(self, x, y, filters, workspace):
        tiles = x.views(self.to_tiles, lambda c: [self.to_tiles.source(c, TILE * b - 1, -1) for b in self.blocks])
        targets = y.views(self.from_tiles, lambda c: [self.from_tiles.target(c, self.kept * b) for b in self.blocks])
        for source, target in zip(tiles, targets):
            np.matmul(self.to_tiles(source, workspace, "tiles"), filters, out=self.from_tiles.products(workspace))
            self.from_tiles(target, workspace)

    def input_gradient(self, dy, dx, filters, workspace):
        tiles = dy.views(self.dy_to_tiles, self._dy_tiles)
        targets = dx.views(self.dx_from_tiles, lambda c: [self.dx_from_tiles.target(c, TILE * b) for b in self.blocks])
        for source, target in zip(tiles, targets):
            products = self.dx_from_tiles.products(workspace)
            np.matmul(self.dy_to_tiles(source, workspace, "tiles"), filters, out=products)
            self.dx_from_tiles(target, workspace)

    def _dy_tiles(self, chunk):
        return [self.dy_to_tiles.source(chunk, self.kept * b + self.first, self.first) for b in self.blocks]

    def weight_gradient(self, x, dy, slot, first, workspace):
        tiles = x.views(self.to_tiles, lambda c: [self.to_tiles.source(c, TILE * b - 1, -1) for b in self.blocks])
        upstream = dy.views(
            self.dy_to_products, lambda c: [self.dy_to_products.source(c, self.kept * b, 0) for b in self.blocks]
        )
        slot = slot.reshape(PLACES, self.g.channels, self.g.out_channels)
        for source, dsource in zip(tiles, upstream):
            products = self.dy_to_products(dsource, workspace, "products")
            add_product(self.to_tiles(source, workspace, "tiles").swapaxes(1, 2), products, slot, first, workspace)
            first = False


class Pointwise:
    """1x1 without padding: each pixel is a row of one matrix product; slot: (C, M)."""

    name = "product"

    @staticmethod
    def fits(g):
        return g.kernel == (1, 1) and g.padding == (0, 0) and g.groups == 1

    @staticmethod
    def demands(g):
        return Demands(0, g.size, 0, g.out)

    @staticmethod
    def numbers(g):
        return g.channels * g.out_channels

    def __init__(self, g, n, dtype):
        self.g, self.n = g, n
        self.rows = max(1, min(g.out[0], WORK // (g.out[1] * n * max(g.channels, g.out_channels))))
        self.blocks = [slice(r, min(r + self.rows, g.out[0])) for r in range(0, g.out[0], self.rows)]

    def forward_filters(self, weight, out):
        out = out.reshape(self.g.channels, self.g.out_channels)
        out[...] = weight[:, :, 0, 0].T
        return out

    def input_filters(self, weight, out):
        out = out.reshape(self.g.out_channels, self.g.channels)
        out[...] = weight[:, :, 0, 0]
        return out

    def to_weight(self, slots):
        return slots.reshape(self.g.channels, self.g.out_channels).T[:, :, None, None]

    def forward(self, x, y, filters, workspace):
        for rows in self.blocks:
            pixels, target = self._pixels(self._taken(x, rows, workspace), y, rows)
            np.matmul(pixels, filters, out=target)

    def input_gradient(self, dy, dx, filters, workspace):
        if self.g.stride != (1, 1):
            dx.image[...] = 0
        for rows in self.blocks:
            if self.g.stride == (1, 1):
                target, pixels = self._pixels((dx, rows), dy, rows)
                np.matmul(pixels, filters, out=target)
                continue
            kept = self._strided(dx)[rows]
            part = workspace.array("taken", (math.prod(kept.shape[:3]), self.g.channels))
            np.matmul(self._matrix(dy, rows), filters, out=part.reshape(*self._matrix(dy, rows).shape[:-1], -1))
            kept[...] = part.reshape(kept.shape)

    def weight_gradient(self, x, dy, slot, first, workspace):
        slot = slot.reshape(self.g.channels, self.g.out_channels)
        for rows in self.blocks:
            pixels, upstream = self._pixels(self._taken(x, rows, workspace), dy, rows)
            for a, b in [(pixels, upstream)] if pixels.ndim == 2 else zip(pixels, upstream):
                add_product(a.T, b, slot, first, workspace)
                first = False

    def _pixels(self, a, b, rows):
        """Two images as matrices of equal form: (pixels, C), or (rows, pixels, C) where one has a border."""
        a = self._matrix(*a) if isinstance(a, tuple) else a
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
        np.copyto(taken, kept)
        return taken.reshape(-1, self.g.channels)


class Im2col:
    """Any convolution: blocks of rows of y as one product (pixels, KH KW C) (KH KW C, M) for each group.

    slot: (G, KH KW C/G, M/G)
    """

    name = "im2col"

    @staticmethod
    def fits(g):
        return True

    @staticmethod
    def demands(g):
        reach = [(o - 1) * s + d * (k - 1) + 1 - p for o, s, d, k, p in
                 zip(g.out, g.stride, g.dilation, g.kernel, g.padding)]
        border = max(*g.padding, *(r - s for r, s in zip(reach, g.size)), 0)
        return Demands(border, g.size, 0, g.out)

    @staticmethod
    def numbers(g):
        return math.prod(g.kernel) * g.channels * g.out_channels // g.groups

    def __init__(self, g, n, dtype):
        self.g, self.n, self.dtype = g, n, dtype
        self.taps = [(i, j) for i in range(g.kernel[0]) for j in range(g.kernel[1])]
        self.depth = len(self.taps) * g.channels // g.groups
        rows = max(1, min(g.out[0], WORK // (g.out[1] * n * self.depth * g.groups)))
        self.blocks = [range(r, min(r + rows, g.out[0])) for r in range(0, g.out[0], rows)]

    def forward_filters(self, weight, out):
        g = self.g
        out = out.reshape(g.groups, self.depth, -1)
        taps = weight.reshape(g.groups, -1, g.channels // g.groups, len(self.taps))
        out.reshape(g.groups, len(self.taps), g.channels // g.groups, -1)[...] = taps.transpose(0, 3, 2, 1)
        return out

    def input_filters(self, weight, out):
        g = self.g
        out = out.reshape(g.groups, -1, self.depth)
        taps = weight.reshape(g.groups, -1, g.channels // g.groups, len(self.taps))
        out.reshape(g.groups, -1, len(self.taps), g.channels // g.groups)[...] = taps.transpose(0, 1, 3, 2)
        return out

    def to_weight(self, slots):
        g = self.g
        taps = slots.reshape(g.groups, len(self.taps), g.channels // g.groups, -1).transpose(0, 3, 2, 1)
        return taps.reshape(g.out_channels, g.channels // g.groups, *g.kernel)

    def forward(self, x, y, filters, workspace):
        for rows in self.blocks:
            columns = self._columns(x, rows, workspace)
            for r, pixels in self._lines(y, rows):
                np.matmul(columns[:, r], filters, out=pixels)

    def input_gradient(self, dy, dx, filters, workspace):
        g, border = self.g, self.demands(self.g).x_border
        key = ("dx", dx.image.shape, border)
        name = workspace.views((self, "padded"), lambda: self._padded(workspace, key, border))
        name.flat[...] = 0
        for rows in self.blocks:
            dcolumns = self._dcolumns(rows, workspace)
            for r, pixels in self._lines(dy, rows):
                np.matmul(pixels, filters, out=dcolumns[:, r])
            for k in range(len(self.taps)):
                target = self._tap(name, rows, k)
                target += self._tap_of(dcolumns, rows, k)
        dx.image[...] = name.image

    def weight_gradient(self, x, dy, slot, first, workspace):
        slot = slot.reshape(self.g.groups, self.depth, -1)
        for rows in self.blocks:
            columns = self._columns(x, rows, workspace)
            for r, pixels in self._lines(dy, rows):
                add_product(columns[:, r].swapaxes(1, 2), pixels, slot, first, workspace)
                first = False

    def _lines(self, y, rows):
        """Yield (pixels of the block, those pixels of y as (G, pixels, M/G)): all at once where no border is between."""
        g, width = self.g, self.g.out[1] * self.n
        many = len(rows) if y.line == g.out[1] * y.run else 1
        for row in range(rows.start, rows.stop, many):
            start = (row - rows.start) * width
            shape, strides = (g.groups, many * width, g.out_channels // g.groups), (y.channels // g.groups, y.channels, 1)
            yield slice(start, start + many * width), y.views((self, row), lambda c: c.window(row, 0, shape, strides))

    def _columns(self, x, rows, workspace):
        """im2col of the given rows of y: (G, pixels, KH KW C/G)."""
        columns = self._dcolumns(rows, workspace)
        for k in range(len(self.taps)):
            np.copyto(self._tap_of(columns, rows, k), self._tap(x, rows, k))
        return columns

    def _dcolumns(self, rows, workspace):
        return workspace.array("columns", (self.g.groups, len(rows) * self.g.out[1] * self.n, self.depth))

    def _tap(self, x, rows, k):
        """Pixel k of each window, as (rows, OW, n, G, C/G)."""
        return x.views((self, rows.start, k), lambda c: self._tap_view(c, rows, k))

    def _tap_view(self, x, rows, k):
        g, (i, j) = self.g, self.taps[k]
        top = rows.start * g.stride[0] + i * g.dilation[0] - g.padding[0]
        shape = (len(rows), g.out[1], self.n, g.groups, g.channels // g.groups)
        strides = (g.stride[0] * x.line, g.stride[1] * x.run, g.channels, g.channels // g.groups, 1)
        return x.window(top, j * g.dilation[1] - g.padding[1], shape, strides)

    def _tap_of(self, columns, rows, k):
        g = self.g
        parts = columns.reshape(g.groups, len(rows), g.out[1], self.n, len(self.taps), -1)
        return parts[:, :, :, :, k].transpose(1, 2, 3, 0, 4)

    def _padded(self, workspace, key, border):
        g = self.g
        flat = workspace.flat(key, Chunk.numbers(self.n, g.channels, g.size, border))
        return Chunk(flat, self.n, g.channels, g.size, g.size, border)


def add_product(a, b, out, first, workspace):
    """out = a b if first, else out += a b."""
    if first:
        np.matmul(a, b, out=out)
    else:
        part = workspace.array("part", out.shape)
        np.matmul(a, b, out=part)
        out += part
