"""What a network costs: parameters, multiply-adds and depth, counted on the network itself."""

from dataclasses import dataclass

import numpy as np

from ..errors import RangeError
from ..layers import Conv2d, Linear
from ..layers.base import observe


@dataclass(frozen=True)
class Summary:
    """Counts of one network. ``macs``: multiply-adds of convolutions and linear layers, for one image, without biases.

    ``params``: trained numbers (running statistics are not among them). ``depth``: convolutions and linear
    layers on the longest way, as papers count them: those of shortcuts are left out.
    """

    params: int
    macs: int
    depth: int


def summarize(model, image):
    """Count what ``model`` costs on one image. ``image``: its shape (C, H, W), each an integer of at least 1."""
    if len(image) != 3 or not all(isinstance(size, (int, np.integer)) and size >= 1 for size in image):
        raise RangeError(f"image is {image!r}, expected (C, H, W), three integers of at least 1: (3, 32, 32)")
    macs = {}

    def see(path, layer, x, y):
        if isinstance(layer, (Conv2d, Linear)):
            macs[path] = y.size * layer.weight.data[0].size

    dtype = next(p.data.dtype for _, p in model.params())
    observe(model, see)(np.zeros((1, *image), dtype))
    return Summary(
        params=sum(p.data.size for _, p in model.params()),
        macs=sum(macs.values()),
        depth=sum("shortcut" not in path.split(".") for path in macs),
    )
