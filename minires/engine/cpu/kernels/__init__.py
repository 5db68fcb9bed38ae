"""Convolution of one chunk, by several algorithms with one interface, see :class:`~.base.Kernel`."""

from .depthwise import Depthwise
from .im2col import Im2col
from .planar import Planar
from .pointwise import Pointwise
from .unsorted import Unsorted
from .winograd import Winograd

KERNELS = (Pointwise, Depthwise, Winograd, Planar, Im2col, Unsorted)


def choose(geometry, images, frozen=0):
    """The kernel that fits with the least estimated time; each kernel says what the estimate counts.

    frozen: how many chunks read filters that are made once; 0 where they are made anew in each run
    """

    def cost(kernel):
        filters = frozen * kernel.reading(geometry) if frozen else kernel.making(geometry)
        return kernel.cost(geometry, images) + filters

    return min((k for k in KERNELS if k.fits(geometry)), key=cost)


__all__ = ["KERNELS", "Depthwise", "Im2col", "Planar", "Pointwise", "Unsorted", "Winograd", "choose"]
