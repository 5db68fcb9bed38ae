"""3x3 convolution with a quarter of the multiplications: Winograd's F(4x4, 3x3), as strided matrix products.

In one dimension, four outputs y of a filter g of three taps over six inputs d are the middle coefficients of a
product of polynomials, which Toom and Cook evaluate at points and interpolate:

    y = A^T ((G g) * (B^T d))        G: (6, 3)   B^T: (6, 6)   A^T: (4, 6)

six multiplications in place of twelve. The rows of G and of A evaluate g and y at five points p and at infinity,
(1, p, p^2, ...), and B^T is the inverse of the evaluation of six coefficients, transposed (Tellegen's principle
turns the product of polynomials into the correlation). In two dimensions, for each tile of 6x6 inputs d and 4x4
outputs,

    Y = A^T ((G g G^T) * (B^T d B)) A,        summed over the input channels before A^T . A

so for each of the 36 places of the tile the sum over channels is one matrix product (tiles, C) (C, C'): 36
multiplications where the definition needs 144. The gradients are the adjoint maps, with the same products:

    dg = G^T (sum over tiles (B^T d B) * (A dY A^T)) G,        dx = the same convolution of dy with g turned around

The points are 0, +-sqrt(1/2), +-sqrt(2): errors in float32 are four times smaller than at 0, +-1, +-2.
Lavin and Gray 2016, "Fast Algorithms for Convolutional Neural Networks", section 4.1; Winograd 1980, "Arithmetic
Complexity of Computations"; points after Barabasz et al. 2020, "Error Analysis and Improving the Accuracy of
Winograd Convolution for Deep Neural Networks".
"""

import math

import numpy as np

from . import constants
from .memory import constant, view

TILE = 4  # outputs of a tile along each axis
POINTS = (0.0, math.sqrt(0.5), -math.sqrt(0.5), math.sqrt(2.0), -math.sqrt(2.0))
PLACES = 36


def toom_cook(outputs, taps, points):
    """(A^T, G, B^T) of F(outputs, taps) at ``points`` and infinity, with the rows of B^T scaled to about 1."""
    size = outputs + taps - 1

    def evaluate(coefficients):
        rows = [[p**j for j in range(coefficients)] for p in points]
        return np.array([*rows, [0.0] * (coefficients - 1) + [1.0]])

    transform = np.linalg.inv(evaluate(size)).T
    scale = 2.0 ** np.round(np.log2(abs(transform).max(axis=1, keepdims=True)))  # powers of two round nothing
    return evaluate(outputs).T, evaluate(taps) * scale, transform / scale


AT, G, BT = toom_cook(TILE, 3, POINTS)
FILTER = np.kron(G, G)  # (36, 9): G g G^T for g as a row of nine numbers
FLIPPED = np.kron(G[:, ::-1], G[:, ::-1])


def filters(weight, matrix, out):
    """out (36, P, Q) = G g G^T for each g of weight (P, Q, 3, 3), by FILTER, or by FLIPPED for g turned around."""
    matrix, taps, out = matrix.astype(weight.dtype), weight.reshape(-1, 9), out.reshape(PLACES, -1)
    for block in _blocks(len(taps)):
        np.matmul(matrix, np.ascontiguousarray(taps[block].T), out=out[:, block])


def filter_gradient(products, workspace):
    """(36, P Q) -> (P Q, 9): G^T . G of each, the adjoint of :func:`filters`."""
    taps = workspace.array("taps", (products.shape[1], 9))
    matrix = constant(FILTER.astype(taps.dtype))
    for block in _blocks(len(taps)):
        workspace.do(np.matmul, products[:, block].T, matrix, taps[block])
    return taps


def _blocks(count):
    """Slices of ``count`` filters: rows of 36 that are a power of two apart fall on the same lines of the cache."""
    return [slice(k, k + constants.COLUMNS) for k in range(0, count, constants.COLUMNS)]


class ToTiles:
    """V = L X L^T for every tile X of an image: two products, one along each axis.

    matrix: L (6, k)   tiles: (th, tw) of k x k pixels each, four apart   V: (36, th tw n, C)
    """

    def __init__(self, matrix, tiles, n, channels):
        self.matrix, self.tiles, self.n, self.channels = constant(matrix), tiles, n, channels
        self.rows = (tiles[0] - 1) * TILE + matrix.shape[1]

    def source(self, chunk, row, column):
        """The tiles of a chunk from the pixel (row, column), as (rows, tw, k, n C)."""
        shape = (self.rows, self.tiles[1], self.matrix.shape[1], chunk.run)
        return chunk.window(row, column, shape, (chunk.line, TILE * chunk.run, chunk.run, 1))

    def __call__(self, source, workspace, name):
        half, half_tiles, whole, products = workspace.views((self, name), lambda: self._views(workspace, name))
        workspace.do(np.matmul, self.matrix, source, half)
        workspace.do(np.matmul, self.matrix, half_tiles, whole)
        return products

    def _views(self, workspace, name):
        (th, tw), k, run = self.tiles, self.matrix.shape[1], self.n * self.channels
        line = tw * run
        flat, _, slab = workspace.slabs("half", 1, 6, self.rows * line)
        half = view(flat, 0, (self.rows, tw, 6, run), (line, run, slab, 1))
        half_tiles = view(flat, 0, (6, th, k, line), (slab, TILE * line, line, 1))
        flat, six, slab = workspace.slabs(name, 6, 6, th * line)
        whole = view(flat, 0, (6, th, 6, line), (slab, line, six, 1))
        products = view(flat, 0, (PLACES, th * tw * self.n, self.channels), (slab, self.channels, 1))
        return half, half_tiles, whole, products


class FromTiles:
    """Y = L M L^T for every tile, written side by side into an image; L: (m, 6), Y: (th m, tw m, n, C)."""

    def __init__(self, matrix, tiles, n, channels):
        self.matrix, self.tiles, self.n, self.channels = constant(matrix), tiles, n, channels

    def target(self, chunk, row):
        """The tiles of a chunk from the given row, as (th, m, tw, m, n C)."""
        (th, tw), m, run, line = self.tiles, len(self.matrix), chunk.run, chunk.line
        return chunk.window(row, 0, (th, m, tw, m, run), (m * line, line, m * run, run, 1))

    def products(self, workspace):
        """(36, th tw n, C): where the products belong that are transformed next."""
        return workspace.views(self, lambda: self._views(workspace))[3]

    def __call__(self, target, workspace):
        places, half, half_tiles, _ = workspace.views(self, lambda: self._views(workspace))
        workspace.do(np.matmul, self.matrix, places, half)
        workspace.do(np.matmul, self.matrix, half_tiles, target)

    def _views(self, workspace):
        (th, tw), m, run = self.tiles, len(self.matrix), self.n * self.channels
        length = th * tw * run
        flat, six, slab = workspace.slabs("products", 6, 6, length)
        places = view(flat, 0, (6, 6, length), (slab, six, 1))
        products = view(flat, 0, (PLACES, th * tw * self.n, self.channels), (slab, self.channels, 1))
        flat, six, slab = workspace.slabs("half", m, 6, length)
        half = view(flat, 0, (6, m, length), (slab, six, 1))
        half_tiles = view(flat, 0, (th, m, tw, 6, run), (tw * run, six, run, slab, 1))
        return places, half, half_tiles, products
