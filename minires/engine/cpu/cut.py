"""How a batch is cut into chunks of images, and what room the tiles of their convolutions need."""

import math

import numpy as np

from ..operations import Convolution
from . import constants


class Cut:
    """``sizes``: images of each chunk   ``starts``: its first image   ``units``: chunks that are taken in turn
    ``single``: whether it is one chunk, which all threads share   ``hands``: how many threads find work at once
    """

    def __init__(self, plan):
        self.images, self.dtype = plan.images, plan.dtype
        self.sizes = chunk_sizes(plan.images, is_little(plan.operations, plan.shape))
        self.starts = [sum(self.sizes[:i]) for i in range(len(self.sizes))]
        self.units = np.array_split(range(len(self.sizes)), min(len(self.sizes), constants.UNITS))
        self.single = len(self.sizes) == 1
        large = any(shared(plan.images * o.geometry.flops // 2) for o in plan.operations if isinstance(o, Convolution))
        self.hands = len(self.units) if not self.single else constants.PIECES if large else 1


def is_little(operations, shape):
    """Whether two threads do a batch sooner as one chunk, whose products they share, than as two.

    Few pixels are done before two threads agree; and the rows that a number of the filters meets, their pixels, must
    be many, or the time goes into reading the filters, once for each chunk.
    """
    convs = [(math.prod(o.y.size), o.layer.weight.data.size) for o in operations if isinstance(o, Convolution)]
    rows = shape[0] * sum(p * w for p, w in convs) / max(1, sum(w for _, w in convs))
    return shape[0] * math.prod(shape[2:]) <= constants.PIXELS or rows <= constants.ROWS


def shared(multiplications):
    """Whether threads share a product of so many, where a batch is one chunk."""
    return multiplications >= constants.SHARED


def slices(length, count):
    """``count`` slices of about equal size, together 0 to ``length``."""
    return [slice(k * length // count, (k + 1) * length // count) for k in range(count)]


def chunk_sizes(images, little):
    """Images of each chunk: about equal, at least two chunks unless the batch is little; whatever the threads."""
    chunks = max(min(1 if little else 2, images), math.ceil(images / constants.CHUNK))
    return [len(part) for part in np.array_split(range(images), chunks)]


class Rooms:
    """The form of each value and buffer in memory: (channels, size, extent, border).

    extent >= size: what tiles reach   border: zeros around
    """

    def __init__(self):
        self._extents, self._borders = {}, {}

    def demand(self, item, extent, border=0):
        """Room for one more reader or writer."""
        self._extents[item] = tuple(map(max, self.extent(item), extent))
        self._borders[item] = max(self._borders.get(item, 0), border)

    def extent(self, item):
        return self._extents.get(item, item.size)

    def form(self, item):
        return item.channels, item.size, self.extent(item), self._borders.get(item, 0)
