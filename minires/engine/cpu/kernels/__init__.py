"""Convolution of one chunk, by several algorithms with one interface, see :class:`~.base.Kernel`."""

from .depthwise import Depthwise
from .im2col import Im2col
from .planar import Planar
from .pointwise import Pointwise
from .unsorted import Unsorted
from .winograd import Winograd

KERNELS = (Pointwise, Depthwise, Winograd, Planar, Im2col, Unsorted)


def choose(geometry, images, frozen=False):
    """The kernel that fits with the least estimated time; each kernel's ``cost`` says what the estimate counts."""

    def cost(kernel):
        return kernel.cost(geometry, images) + (0 if frozen else kernel.sorting(geometry))

    return min((k for k in KERNELS if k.fits(geometry)), key=cost)


__all__ = ["KERNELS", "Depthwise", "Im2col", "Planar", "Pointwise", "Unsorted", "Winograd", "choose"]
