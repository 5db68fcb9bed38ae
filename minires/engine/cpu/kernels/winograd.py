"""3x3 convolution by Winograd's F(4x4, 3x3); the mathematics is in :mod:`minires.engine.cpu.winograd`."""

import math

import numpy as np

from ..winograd import AT, BT, FILTER, FLIPPED, PLACES, TILE, FromTiles, ToTiles, filter_gradient, filters
from .base import PER_FILTER, PER_FLOP, PER_TRANSFORM, WORK, Demands, Kernel, add_product, product


class Winograd(Kernel):
    """Stride 1 or 2, padding 1. Filters: (36, B, C/B, M/B) and (36, B, M/B, C/B), slot: as the first.

    Without groups B = 1. Groups of few channels are too small for a matrix product of their own: q of them side by
    side make one of the B blocks, whose matrix is zero outside the q squares on its diagonal.
    """

    name = "winograd"

    @staticmethod
    def fits(g):
        plain = g.kernel == (3, 3) and g.padding == (1, 1) and g.dilation == (1, 1)
        return plain and g.stride in ((1, 1), (2, 2)) and g.groups < g.channels

    @staticmethod
    def cost(g, images):
        tiles = images * math.prod(-(-s // TILE) for s in g.size)
        product = 2 * tiles * Winograd.numbers(g) * PER_FLOP
        transforms = PLACES * tiles * (g.channels + g.out_channels / g.stride[0]) * PER_TRANSFORM
        return product + transforms + Winograd.numbers(g) * PER_FILTER

    @staticmethod
    def demands(g):
        extent = tuple(-(-s // TILE) * TILE for s in g.size)
        return Demands(1, extent, 1, tuple(e // g.stride[0] for e in extent))

    @staticmethod
    def numbers(g):
        return PLACES * g.channels * g.out_channels // blocks_of(g)

    def __init__(self, g, n, dtype):
        super().__init__(g, n, dtype)
        self.count = blocks_of(g)
        self.joined = g.groups // self.count
        stride, tiles = g.stride[0], [-(-s // TILE) for s in g.size]
        area = PLACES * tiles[1] * n * max(g.channels, g.out_channels)
        self.height = max(d for d in range(1, tiles[0] + 1) if tiles[0] % d == 0 and (d == 1 or d * area <= WORK))
        self.blocks = range(0, tiles[0], self.height)
        block, self.kept = (self.height, tiles[1]), TILE // stride
        at, bt = AT[::stride].astype(dtype), BT.astype(dtype)
        self.x_tiles = ToTiles(bt, block, TILE, n, g.channels)
        self.y_tiles = FromTiles(at, block, n, g.out_channels)
        self.dy_products = ToTiles(np.ascontiguousarray(at.T), block, self.kept, n, g.out_channels)
        # with stride 2 every other row and column of the spread dy is zero: the columns of B^T there are left out
        spread = bt if stride == 1 else np.ascontiguousarray(bt[:, 1::2])
        self.dy_tiles = ToTiles(spread, block, self.kept, n, g.out_channels)
        self.dx_tiles = FromTiles(AT.astype(dtype), block, n, g.channels)
        self.corner = -1 if stride == 1 else 0  # where the first tile of dy begins

    def forward_filters(self, weight, out, part):
        g = self.g
        taps = weight.reshape(g.groups, -1, *weight.shape[1:]).swapaxes(1, 2)
        return self._spread(taps, FILTER, out, g.channels, g.out_channels, part)

    def input_filters(self, weight, out, part):
        g = self.g
        taps = weight.reshape(g.groups, -1, *weight.shape[1:])
        return self._spread(taps, FLIPPED, out, g.out_channels, g.channels, part if g.groups == 1 else slice(None))

    def _spread(self, taps, matrix, out, rows, columns, part):
        """The filters of taps (G, P, Q, 3, 3), on the diagonal of each block: (36, B, q P, q Q)."""
        out = out.reshape(PLACES, self.count, self.joined, rows // self.g.groups, self.joined, -1)
        groups, p, q = taps.shape[:3]
        if groups == 1:
            filters(taps[0], matrix, out[:, 0, 0, part, 0])
        else:
            made = np.empty((PLACES, groups * p, q), out.dtype)
            filters(taps.reshape(groups * p, q, 3, 3), matrix, made)
            out[...] = 0
            made = made.reshape(PLACES, self.count, self.joined, p, q)
            for k in range(self.joined):
                out[:, :, k, :, k] = made[:, :, k]
        return self._square(out, rows, columns)

    def to_weight(self, slot):
        g, q = self.g, self.joined
        c, m = g.channels // g.groups, g.out_channels // g.groups
        squares = slot.reshape(PLACES, self.count, q, c, q, m)
        diagonal = np.stack([squares[:, :, k, :, k] for k in range(q)], axis=2) if q > 1 else squares
        taps = filter_gradient(diagonal.reshape(PLACES, -1, m))
        return taps.reshape(g.groups, c, m, 3, 3).swapaxes(1, 2).reshape(-1, c, 3, 3)

    def forward(self, x, y, filters, workspace):
        for source, target in zip(x.views(self.x_tiles, self._x_views), y.views(self.y_tiles, self._y_views)):
            products = self._by_block(self.y_tiles.products(workspace))
            product(self._by_block(self.x_tiles(source, workspace, "tiles")), filters, products, workspace)
            self.y_tiles(target, workspace)

    def input_gradient(self, dy, dx, filters, workspace, adds=False):
        for source, target in zip(dy.views(self.dy_tiles, self._dy_views), dx.views(self.dx_tiles, self._dx_views)):
            products = self._by_block(self.dx_tiles.products(workspace))
            product(self._by_block(self.dy_tiles(source, workspace, "tiles")), filters, products, workspace)
            self.dx_tiles(target, workspace)

    def weight_gradient(self, x, dy, slot, first, workspace):
        slot = self._square(slot, self.g.channels, self.g.out_channels)
        upstream = dy.views(self.dy_products, self._dy_product_views)
        for source, dsource in zip(x.views(self.x_tiles, self._x_views), upstream):
            products = self._by_block(self.dy_products(dsource, workspace, "products"))
            tiles = self._by_block(self.x_tiles(source, workspace, "tiles"))
            add_product(tiles.swapaxes(-1, -2), products, slot, first, workspace)
            first = False

    def _square(self, flat, rows, columns):
        """(36, rows, columns), or with groups (36, B, rows/B, columns/B)."""
        shape = (rows, columns) if self.count == 1 else (self.count, rows // self.count, columns // self.count)
        return flat.reshape(PLACES, *shape)

    def _by_block(self, tiles):
        """(36, tiles, C), or with groups (36, B, tiles, C/B)."""
        if self.count == 1:
            return tiles
        return tiles.reshape(*tiles.shape[:2], self.count, -1).swapaxes(1, 2)

    def _x_views(self, chunk):
        return [self.x_tiles.source(chunk, TILE * b - 1, -1) for b in self.blocks]

    def _y_views(self, chunk):
        return [self.y_tiles.target(chunk, self.kept * b) for b in self.blocks]

    def _dy_views(self, chunk):
        return [self.dy_tiles.source(chunk, self.kept * b + self.corner, self.corner) for b in self.blocks]

    def _dy_product_views(self, chunk):
        return [self.dy_products.source(chunk, self.kept * b, 0) for b in self.blocks]

    def _dx_views(self, chunk):
        return [self.dx_tiles.target(chunk, TILE * b) for b in self.blocks]


def blocks_of(g):
    """Into how many matrices the groups are joined: each of about 32 channels, and of whole groups."""
    joined = max(q for q in range(1, g.groups + 1) if g.groups % q == 0 and (q == 1 or q * g.channels <= 32 * g.groups))
    return g.groups // joined
