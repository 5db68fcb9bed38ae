"""Pooling, gates and activations. See ``kernels/pool.cu`` and ``gate.cu``. Values are (pixels, pitch(C)) as stored."""

from dataclasses import dataclass

from ...layers.known import kind_of
from .launches import Launch, Window, arguments, pitch, record, whole
from .passes import by_fours, lanes, stored

PLACES = 255  # of a window, at most: its winner is a byte
ACTIVATIONS = ("ReLU6", "LeakyReLU", "ELU", "GELU", "GELU tanh", "Sigmoid", "Tanh", "SiLU", "HardSwish")


@dataclass(frozen=True)
class Pool:
    """x (images, h.size, w.size, channels), y (images, h.out, w.out, channels).

    ``include``: whether means count the border, which is ``behind`` (rows, columns) wide on the far side.
    """

    images: int
    channels: int
    h: Window
    w: Window
    include: bool = True
    behind: tuple[int, int] = (0, 0)

    def record(self):
        return record(self.images, self.channels, self.include, *self.behind, *self.h.numbers(), *self.w.numbers())

    def grid(self, back=False):
        sizes = (self.h.size, self.w.size) if back else (self.h.out, self.w.out)
        return by_fours(self.images * sizes[0] * sizes[1], self.channels)


def maximum(precision, g, y, winner, x):
    """winner: uint8, as many as y has numbers."""
    return Launch("pool.cu", f"max_pool<{stored(precision)}>", g.grid(), 256, arguments(y, winner, x, g.record()))


def maximum_back(precision, g, dx, dy, winner, adds=False):
    values = arguments(dx, dy, winner, g.record(), adds)
    return Launch("pool.cu", f"pool_back<{stored(precision)}, true>", g.grid(back=True), 256, values)


def mean(precision, g, y, x):
    return Launch("pool.cu", f"mean_pool<{stored(precision)}>", g.grid(), 256, arguments(y, x, g.record()))


def mean_back(precision, g, dx, dy, adds=False):
    values = arguments(dx, dy, None, g.record(), adds)
    return Launch("pool.cu", f"pool_back<{stored(precision)}, false>", g.grid(back=True), 256, values)


def image_mean(precision, images, pixels, channels, y, x, factor=None):
    """y (images, pitch(C)): the mean over the pixels of each image; with ``factor`` the sum of x factor."""
    side = lanes(channels)
    values = arguments(y, x, factor, pixels, channels, side, factor is None)
    grid = (images, whole(pitch(channels), 4 * side))
    return Launch("pool.cu", f"global_mean<{stored(precision)}>", grid, 256, values)


def image_mean_back(precision, images, pixels, channels, dx, dy, adds=False):
    values = arguments(dx, dy, images, pixels, channels, adds)
    name = f"global_back<{stored(precision)}>"
    return Launch("pool.cu", name, by_fours(images * pixels, channels), 256, values)


def scale(precision, images, pixels, channels, y, x, s, adds=False):
    """y = s x, s (images, pitch(C)); its gradients are dx = scale(dy, s) and ds = image_mean(dy, factor=x)."""
    values = arguments(y, x, s, images, pixels, channels, adds)
    return Launch("gate.cu", f"scale<{stored(precision)}>", by_fours(images * pixels, channels), 256, values)


def gate(precision, pixels, channels, y, x, f, t, exclusive):
    count = pixels * pitch(channels)
    values = arguments(y, x, f, t, count, exclusive)
    return Launch("gate.cu", f"gate<{stored(precision)}>", by_fours(pixels, channels), 256, values)


def gate_back(precision, pixels, channels, gradients, adds, dy, x, f, t, exclusive):
    """gradients: dx, df, dt, each added to what is there where ``adds`` says so."""
    bits = sum(bool(a) << k for k, a in enumerate(adds))
    values = arguments(*gradients, dy, x, f, t, pixels * pitch(channels), exclusive, bits)
    return Launch("gate.cu", f"gate_back<{stored(precision)}>", by_fours(pixels, channels), 256, values)


def activate(precision, pixels, channels, y, x, kind, slope=0.0):
    """kind: one of ACTIVATIONS. slope: of LeakyReLU; alpha of ELU."""
    values = arguments(y, x, pixels, channels, ACTIVATIONS.index(kind), float(slope))
    grid = (whole(pixels * pitch(channels), 256),)
    return Launch("gate.cu", f"activate<{stored(precision)}>", grid, 256, values)


def activate_back(precision, pixels, channels, dx, dy, x, kind, slope=0.0, adds=False):
    values = arguments(dx, dy, x, pixels, channels, ACTIVATIONS.index(kind), float(slope), adds)
    grid = (whole(pixels * pitch(channels), 256),)
    return Launch("gate.cu", f"activate_back<{stored(precision)}>", grid, 256, values)


def activation(layer):
    """(kind, slope) as the kernels name it; None where there is none."""
    name = kind_of(layer).__name__
    if name == "GELU" and layer.approximate == "tanh":
        return "GELU tanh", 0.0
    if name not in ACTIVATIONS:
        return None
    return name, getattr(layer, "slope", getattr(layer, "alpha", 0.0))
