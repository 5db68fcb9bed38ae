"""The products of a convolution: forward, gradient of the input, gradient of the weights. A linear map is one of 1 x 1.

Tiles and slabs follow from the shapes alone and are merged in one order: two runs agree bit for bit.
"""

from dataclasses import dataclass

from .launches import Launch, Window, arguments, numbers, pitch, record, whole
from .modules import PRECISIONS

BLOCKS = 264  # of a convolution with small tiles rather than large ones: two for each processor of an H100
SLAB_BLOCKS = 528  # of a weights' gradient


@dataclass(frozen=True)
class Geometry:
    """x (images, h.size, w.size, in_channels), y (images, h.out, w.out, out_channels).

    Groups of less than a multiple of eight channels do not fit the rows (:meth:`fits`).
    """

    images: int
    in_channels: int
    out_channels: int
    groups: int
    h: Window
    w: Window

    @property
    def fits(self):
        whole_groups = self.in_channels % (8 * self.groups) == self.out_channels % (8 * self.groups) == 0
        return self.groups == 1 or whole_groups

    @property
    def pixels(self):
        """Rows of y."""
        return self.images * self.h.out * self.w.out

    @property
    def taps(self):
        return self.h.kernel * self.w.kernel

    def record(self):
        return record(
            self.images, self.in_channels, self.out_channels, self.groups, *self.h.numbers(), *self.w.numbers()
        )


def _across(channels, groups):
    return pitch(channels) if groups == 1 else channels // groups


def tile(pixels, channels, classes=1):
    """(rows, columns) of a block: wide channels in tiles of 64, in smaller ones where there would be too few blocks."""
    if channels <= 32:
        return 128, 16 if channels <= 16 else 32
    blocks = whole(pixels, 128) * whole(channels, 64) * classes
    return (128 if blocks >= BLOCKS else 64), 64


def forward_tile(geometry):
    return tile(geometry.pixels, _across(geometry.out_channels, geometry.groups))


def forward(precision, geometry, x, weight, y, bias=None, statistics=None):
    """y = x * weight + bias. ``weight``: packed, (M, KH, KW, pitch(C / groups)); ``statistics``: see :func:`tiles`."""
    return _convolution(precision, geometry, x, weight, y, bias, statistics, adds=False, back=False)


def tiles(geometry):
    """(count, rows) of the statistics behind :func:`forward`: (count, 3, pitch(M)) float32, each of ``rows`` rows."""
    rows, _ = forward_tile(geometry)
    return whole(geometry.pixels, rows), rows


def backward(precision, geometry, dy, weight, dx, adds=False):
    """dx = dy * weight, or added to it. ``weight``: packed for back, (C, KH, KW, pitch(M / groups))."""
    return _convolution(precision, geometry, dy, weight, dx, None, None, adds, back=True)


def _convolution(precision, geometry, source, weight, target, bias, statistics, adds, back):
    g, classes, pixels = geometry, 1, geometry.pixels
    if back:
        classes = g.h.stride * g.w.stride
        pixels = g.images * whole(g.h.size, g.h.stride) * whole(g.w.size, g.w.stride)
    numbers(g.images * g.h.size * g.w.size, g.in_channels), numbers(g.pixels, g.out_channels)
    channels = _across(g.in_channels if back else g.out_channels, g.groups)
    rows, columns = tile(pixels, channels, classes) if back else forward_tile(g)
    return Launch(
        "convolution.cu",
        f"convolution<{PRECISIONS[precision][0]}, {rows}, {columns}, {str(back).lower()}>",
        (whole(pixels, rows), g.groups * whole(channels, columns), classes),
        128,
        arguments(source, weight, target, bias, statistics, g.record(), adds),
    )


def slabs(geometry):
    """(count, pixels of a slab, side of a tile) of the gradient; its parts: float32 (count, taps, C / groups, M)."""
    g = geometry
    inner, outer = g.in_channels // g.groups, g.out_channels // g.groups
    side = 32 if min(inner, outer) <= 32 else 64
    blocks = g.taps * g.groups * whole(inner, side) * whole(outer, side)
    slab = whole(g.pixels, max(1, SLAB_BLOCKS // blocks))
    slab = max(128, whole(slab, 32) * 32)
    return whole(g.pixels, slab), slab, side


def weight_gradient(precision, geometry, x, dy, parts, dweight):
    """dweight (M, C / groups, KH, KW) += dy * x, by way of ``parts``: two launches."""
    g = geometry
    count, slab, side = slabs(g)
    inner, outer = g.in_channels // g.groups, g.out_channels // g.groups
    product = Launch(
        "weight.cu",
        f"weight_gradient<{PRECISIONS[precision][0]}, {side}>",
        (count, g.taps, g.groups * whole(inner, side) * whole(outer, side)),
        128,
        arguments(x, dy, parts, g.record(), slab),
    )
    size = g.taps * inner * g.out_channels
    values = arguments(parts, dweight, count, g.taps, inner, g.out_channels)
    return [product, Launch("weight.cu", "weight_merge", (whole(size, 256),), 256, values)]


def packed_sizes(geometry):
    """Numbers of the two packed forms of the weights: forward, back."""
    g = geometry
    inner, outer = g.in_channels // g.groups, g.out_channels // g.groups
    return (
        g.out_channels * g.taps * _across(inner * g.groups, g.groups),
        g.in_channels * g.taps * _across(outer * g.groups, g.groups),
    )


def pack(precision, addresses, packed, table, largest):
    """All weights into their packed forms, by int32 rows (forward, back or -1, M, C / groups, taps, groups).

    addresses: int64, where each weight (M, C / groups, KH, KW) float32 begins
    """
    name = f"weight_pack<{PRECISIONS[precision][1]}>"
    grid = (min(whole(largest, 256), 64), table.shape[0])
    return Launch("weight.cu", name, grid, 256, arguments(addresses, packed, table))
