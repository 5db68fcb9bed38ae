"""im2col for few pixels and many filters, whose numbers stay in the order of the weight."""

import numpy as np

from .. import constants
from .base import Kernel
from .im2col import Im2col


class Unsorted(Im2col):
    """Filters and slot: (G, M/G, C/G KH KW), as the weight, so that sorting them costs nothing. In the columns the taps
    of a channel lie side by side then, and are copied tap by tap, number by number.
    """

    name = "unsorted im2col"
    in_place = True
    making, keep = Kernel.making, Kernel.keep

    @staticmethod
    def cost(g, images):
        return Im2col.by_columns(g, images, constants.PER_STEP)

    def forward_filters(self, weight, out):
        out[...] = weight.reshape(-1)
        return out.reshape(self.g.groups, -1, self.g.depth)

    input_filters = forward_filters
    frozen_filters = Kernel.frozen_filters

    def _columns(self, x, rows, workspace):
        columns = self._room(rows, workspace)
        for column, pixels in zip(self._taps_of(columns, rows, workspace), self._pixels(x, rows)):
            workspace.do(np.copyto, column, pixels)
        return columns

    def _as_windows(self, columns, rows, workspace):
        g = self.g
        shape = (g.groups, len(rows), g.out[1], self.n, g.channels // g.groups, *g.kernel)
        return workspace.views((self, rows), lambda: columns.reshape(shape).transpose(1, 2, 3, 5, 6, 0, 4))
