"""3x3 convolution by Winograd's F(4x4, 3x3); the mathematics is in :mod:`minires.engine.cpu.winograd`."""

import math

import numpy as np

from .. import constants
from ..crew import dealt
from ..cut import shared
from ..winograd import AT, BT, FILTER, FLIPPED, PLACES, TILE, FromTiles, ToTiles, filter_gradient, filters
from .base import Demands, Kernel, add_product, product


class Winograd(Kernel):
    """Stride 1, padding 1. Filters: (36, C, M) and (36, M, C), slot: as the first.

    G groups are products of their own, (36, G, C/G, M/G): in one matrix with zeros outside its squares, an infinity of
    one group would be a NaN in all others.
    """

    name = "winograd"
    in_place = True

    @staticmethod
    def fits(g):
        ones = g.padding == g.dilation == g.stride == (1, 1)
        return g.kernel == (3, 3) and ones and g.groups < g.channels

    @staticmethod
    def cost(g, images):
        tiles = images * math.prod(-(-s // TILE) for s in g.size)
        product = 2 * tiles * Winograd.numbers(g) * constants.PER_FLOP
        transforms = PLACES * tiles * (g.channels + g.out_channels) * constants.PER_TRANSFORM
        return product + transforms

    @staticmethod
    def making(g):
        return Winograd.numbers(g) * constants.PER_FILTER

    @staticmethod
    def reading(g):
        numbers = Winograd.numbers(g)
        return numbers * constants.PER_READ if numbers > constants.WORK else 0

    @staticmethod
    def demands(g):
        extent = tuple(-(-s // TILE) * TILE for s in g.size)
        return Demands(1, extent, 1, extent)

    @staticmethod
    def numbers(g):
        return PLACES * g.channels * g.out_channels // g.groups

    def __init__(self, g, n, dtype):
        super().__init__(g, n, dtype)
        tiles = [-(-s // TILE) for s in g.size]
        area = PLACES * tiles[1] * n * max(g.channels, g.out_channels)
        work = min(constants.WORK, max(constants.TILES, self.numbers(g)))  # large filters are read once a block

        def height(work):
            return max(d for d in range(1, tiles[0] + 1) if tiles[0] % d == 0 and (d == 1 or d * area <= work))

        # the gradient of large filters is written once a block, and read twice where there are others
        self.height, self.tall = height(work), height(max(work, constants.TALL * self.numbers(g)))
        self.long = shared(PLACES * self.height * tiles[1] * n * g.channels * g.out_channels // g.groups)
        self.blocks, self.tall_blocks = (range(0, tiles[0], h) for h in (self.height, self.tall))
        block, tall = (self.height, tiles[1]), (self.tall, tiles[1])
        at, bt = AT.astype(dtype), BT.astype(dtype)
        self.x_tiles = ToTiles(bt, block, n, g.channels)
        self.y_tiles = FromTiles(at, block, n, g.out_channels)
        self.tall_tiles = ToTiles(bt, tall, n, g.channels)
        self.dy_products = ToTiles(np.ascontiguousarray(at.T), tall, n, g.out_channels)
        self.dy_tiles = ToTiles(bt, block, n, g.out_channels)
        self.dx_tiles = FromTiles(at, block, n, g.channels)

    def forward_filters(self, weight, out):
        g = self.g
        taps = weight.reshape(g.groups, -1, *weight.shape[1:]).swapaxes(1, 2)
        return self._spread(taps, FILTER, out, g.channels, g.out_channels)

    def input_filters(self, weight, out):
        g = self.g
        taps = weight.reshape(g.groups, -1, *weight.shape[1:])
        return self._spread(taps, FLIPPED, out, g.out_channels, g.channels)

    def _spread(self, taps, matrix, out, rows, columns):
        """The filters of taps (G, P, Q, 3, 3), as :meth:`_square`."""
        groups, p, q = taps.shape[:3]
        filters(taps.reshape(groups * p, q, 3, 3), matrix, out)
        return self._square(out, rows, columns)

    def keep(self, slot, dweight, workspace):
        g = self.g
        taps = filter_gradient(slot.reshape(PLACES, -1), workspace).reshape(g.groups, g.channels // g.groups, -1, 9)
        target = dweight.reshape(g.groups, -1, g.channels // g.groups, 9)
        workspace.do(np.copyto, target.swapaxes(1, 2), taps)

    def forward(self, x, y, filters, workspace):
        views = zip(x.views(self.x_tiles, self._x_views), y.views(self.y_tiles, self._y_views))
        for (source, target), area in dealt(list(views), workspace, self.long):
            products = self._by_group(self.y_tiles.products(area))
            product(self._by_group(self.x_tiles(source, area, "tiles")), filters, products, area)
            self.y_tiles(target, area)

    def input_gradient(self, dy, dx, filters, workspace, adds=False):
        views = zip(dy.views(self.dy_tiles, self._dy_views), dx.views(self.dx_tiles, self._dx_views))
        for (source, target), area in dealt(list(views), workspace, self.long):
            products = self._by_group(self.dx_tiles.products(area))
            product(self._by_group(self.dy_tiles(source, area, "tiles")), filters, products, area)
            self.dx_tiles(target, area)

    def weight_gradient(self, x, dy, slot, first, workspace):
        slot = self._square(slot, self.g.channels, self.g.out_channels)
        upstream = dy.views(self.dy_products, self._dy_product_views)
        for source, dsource in zip(x.views(self.tall_tiles, self._tall_views), upstream):
            sides = (self.tall_tiles, source, "tiles"), (self.dy_products, dsource, "products")
            tiles, products = (
                self._by_group(make(side, area, name)) for (make, side, name), area in dealt(sides, workspace)
            )
            add_product(tiles.swapaxes(-1, -2), products, slot, first, workspace)
            first = False

    def _square(self, flat, rows, columns):
        """(36, rows, columns), or with groups (36, G, rows/G, columns/G)."""
        groups = self.g.groups
        return flat.reshape(PLACES, *([groups] if groups > 1 else []), rows // groups, columns // groups)

    def _by_group(self, tiles):
        """(36, tiles, C), or with groups (36, G, tiles, C/G)."""
        if self.g.groups == 1:
            return tiles
        return tiles.reshape(*tiles.shape[:2], self.g.groups, -1).swapaxes(1, 2)

    def _x_views(self, chunk):
        return [self.x_tiles.source(chunk, TILE * b - 1, -1) for b in self.blocks]

    def _tall_views(self, chunk):
        return [self.tall_tiles.source(chunk, TILE * b - 1, -1) for b in self.tall_blocks]

    def _y_views(self, chunk):
        return [self.y_tiles.target(chunk, TILE * b) for b in self.blocks]

    def _dy_views(self, chunk):
        return [self.dy_tiles.source(chunk, TILE * b - 1, -1) for b in self.blocks]

    def _dy_product_views(self, chunk):
        return [self.dy_products.source(chunk, TILE * b, 0) for b in self.tall_blocks]

    def _dx_views(self, chunk):
        return [self.dx_tiles.target(chunk, TILE * b) for b in self.blocks]
