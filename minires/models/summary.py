"""What a network costs: parameters, multiply-adds and depth, counted on the network itself."""

import math
from dataclasses import dataclass

import numpy as np

from ..errors import RangeError
from ..layers import Conv2d, Fork, Linear, RungeKutta, SqueezeExcite
from ..layers.watch import observe
from ..layers.checks import is_integer


@dataclass(frozen=True)
class Summary:
    """Counts of one network. ``macs``: multiply-adds of convolutions and linear layers, for one image, without biases.

    ``params``: trained numbers (running statistics are not among them). ``depth``: convolutions and linear
    layers on the longest way, as papers count them: those of shortcuts and of gates are left out.
    """

    params: int
    macs: int
    depth: int


def summarize(model, image):
    """Count what ``model`` costs on one image. ``image``: its shape (C, H, W), each an integer of at least 1."""
    shapes = output_shapes(model, image)
    layers = dict(model.walk())
    return Summary(
        params=sum(p.data.size for _, p in model.params()),
        macs=sum(multiply_adds(layers[path], shape) for path, shape in shapes.items()),
        depth=depth(model),
    )


def output_shapes(model, image):
    """{path: shape of the output without the batch axis} of every layer, by a run on one black image (C, H, W)."""
    if len(image) != 3 or not all(is_integer(size) and size >= 1 for size in image):
        raise RangeError(f"image is {image!r}, expected (C, H, W), three integers of at least 1: (3, 32, 32)")
    shapes = {}

    def see(path, layer, x, y):
        shapes[path] = y.shape[1:]

    dtype = next(p.data.dtype for _, p in model.params())
    observe(model, see)(np.zeros((1, *image), dtype))
    return shapes


def multiply_adds(layer, shape):
    """What a convolution or linear layer costs for one output of ``shape``, without its bias; 0 for other layers."""
    return math.prod(shape) * layer.weight.data[0].size if isinstance(layer, (Conv2d, Linear)) else 0


def depth(layer):
    """Convolutions and linear layers on the longest way from x to y; a gate of squeeze-and-excitation is none."""
    if isinstance(layer, (Conv2d, Linear)):
        return 1
    if isinstance(layer, SqueezeExcite):
        return 0
    depths = [depth(child) for _, child in layer.children()]
    parallel = isinstance(layer, Fork) and not isinstance(layer, RungeKutta)  # whose k_i is in the input of k_{i+1}
    return max(depths, default=0) if parallel else sum(depths)
