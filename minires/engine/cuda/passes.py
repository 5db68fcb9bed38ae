"""What stands between the products: joins, batch norms and their gradients. See ``kernels/join.cu`` and ``norm.cu``.

Values are (pixels, pitch(C)) as stored; ``norm`` is (6, pitch(C)) float32, the affine map of a value.
"""

from dataclasses import dataclass
from typing import Any

from .launches import Launch, arguments, numbers, pitch, record, whole
from .modules import PRECISIONS

NORM = 6  # rows of ``norm``
SLAB = 256  # pixels, and more of them where there are many
SLABS = 512


def stored(precision):
    return PRECISIONS[precision][1]


def lanes(channels):
    """How many threads of 256 stand side by side, four channels each: a power of two up to 64."""
    return min(64, 1 << (pitch(channels) // 4).bit_length() - 1)


def slabs(pixels):
    """(count, pixels of a slab) of the sums over a value."""
    slab = max(SLAB, whole(pixels, SLABS))
    return whole(pixels, slab), slab


def by_fours(pixels, channels):
    """The grid of a kernel that has a thread for four channels of a pixel."""
    return (whole(numbers(pixels, channels), 1024),)


def join(precision, pixels, channels, y, a, a_norm=None, b=None, b_norm=None, relu=False):
    """y = relu(f(a) + g(b)); without ``a_norm`` f(a) = a, without b its term is left out."""
    values = arguments(y, a, a_norm, b, b_norm, pixels, channels, relu)
    return Launch("join.cu", f"join<{stored(precision)}>", by_fours(pixels, channels), 256, values)


@dataclass(frozen=True)
class Contribution:
    """A share of a gradient: z, or z through the affine map of u; with ``slopes`` (2, pitch(C)) if over the batch."""

    z: Any
    u: Any = None
    norm: Any = None
    slopes: Any = None


def assemble(precision, pixels, channels, z, contributions, y=None, summed=(), sums=None):
    """z = mask (sum of one or two contributions); ``y``: the output of a ReLU, which is the mask.

    summed: up to two pairs (u, norm), whose sums go to ``sums``, (slabs, 3, pitch(C)): S1, S2 of each pair.
    """
    shares = [*contributions, *[Contribution(None)] * (2 - len(contributions))]
    pairs = [*summed, *[(None, None)] * (2 - len(summed))]
    pointers = [p for share in shares for p in (share.z, share.u, share.norm, share.slopes)]
    count, slab = slabs(pixels)
    side = lanes(channels)
    values = arguments(z, y, *pointers, *pairs[0], *pairs[1], sums, pixels, channels, slab, side)
    grid = (count, whole(pitch(channels), 4 * side))
    return Launch("join.cu", f"assemble<{stored(precision)}>", grid, 256, values)


@dataclass(frozen=True)
class Part:
    """y[:, :, :, to : to + count] is every ``step``-th pixel of x[..., from_ : from_ + count].

    ``begin`` and ``fill``: the channels of y that are written, with zeros around the part.
    """

    images: int
    height: int
    width: int
    x_channels: int
    y_channels: int
    step: int
    from_: int
    to: int
    count: int
    begin: int
    fill: int

    def record(self):
        return record(*vars(self).values())

    @property
    def pixels(self):
        return self.images * whole(self.height, self.step) * whole(self.width, self.step)


def part(precision, g, y, x):
    grid = (whole(g.pixels * g.fill, 256),)
    return Launch("join.cu", f"part<{stored(precision)}>", grid, 256, arguments(y, x, g.record()))


def part_back(precision, g, dx, dy, adds=False):
    grid = (whole(g.images * g.height * g.width * pitch(g.x_channels), 256),)
    return Launch("join.cu", f"part_back<{stored(precision)}>", grid, 256, arguments(dx, dy, g.record(), adds))


def concatenate(precision, images, size, y, parts):
    """Values (x, channels) beside each other: one launch for each, zeros behind the last."""
    launches, at, total = [], 0, sum(channels for _, channels in parts)
    for k, (x, channels) in enumerate(parts):
        fill = channels if k + 1 < len(parts) else pitch(total) - at
        launches.append(part(precision, Part(images, *size, channels, total, 1, 0, at, channels, at, fill), y, x))
        at += channels
    return launches


def bias_gradient(precision, rows, channels, dy, dbias):
    """dbias (C,) float32 += the sum over the rows of dy (rows, pitch(C))."""
    side = lanes(channels)
    values = arguments(dy, dbias, rows, channels, side)
    name = f"bias_gradient<{stored(precision)}>"
    return Launch("weight.cu", name, (whole(pitch(channels), 4 * side),), 256, values)


def statistics(precision, pixels, channels, u, out):
    """The statistics of a value that no product has made, as :func:`coefficients` reads them: (slabs, 3, pitch(C))."""
    count, rows = slabs(pixels)
    side = lanes(channels)
    grid = (count, whole(pitch(channels), 4 * side))
    name = f"part_statistics<{stored(precision)}>"
    return Launch("norm.cu", name, grid, 256, arguments(u, out, rows, pixels, channels, side))


def coefficients(pixels, channels, parts, rows, gamma, beta, norm, eps, running=(None, None), momentum=0.0):
    """``norm`` from the statistics of ``rows`` pixels each; moves the running mean and variance, where given."""
    values = arguments(parts, gamma, beta, norm, *running, len(parts), rows, pixels, channels, eps, momentum)
    return Launch("norm.cu", "norm_coefficients", (whole(pitch(channels), 4),), 128, values)


def track(pixels, channels, norm, running, momentum):
    """Moves the running mean and variance by the statistics that are in ``norm``."""
    values = arguments(norm, *running, pixels, channels, momentum)
    return Launch("norm.cu", "norm_track", (whole(channels, 128),), 128, values)


def constant(channels, norm, shift, gamma=None, running=(None, None), eps=0.0):
    """``norm`` of a batch norm by its running statistics; without gamma that of a bias, which shifts alone."""
    values = arguments(gamma, shift, *running, norm, channels, eps)
    return Launch("norm.cu", "norm_constant", (whole(pitch(channels), 128),), 128, values)


def slopes(pixels, channels, sums, which, norm, out, dgamma, dbeta):
    """The gradient of the ``which``-th (1, 2) map that :func:`assemble` has summed: its slopes, dgamma and dbeta added.

    out None: the map does not depend on the batch; dgamma None: a bias.
    """
    values = arguments(sums, norm, out, dgamma, dbeta, len(sums), which, pixels, channels)
    return Launch("norm.cu", "norm_slopes", (whole(pitch(channels), 4),), 128, values)
