"""What a network costs: parameters, multiply-adds and depth, counted on the network itself."""

import copy
import math
from dataclasses import dataclass

import numpy as np

from ..errors import RangeError
from ..layers import AvgPool2d, BatchNorm2d, Conv2d, Fork, Linear, MaxPool2d, ReLU, RungeKutta, SqueezeExcite
from ..layers.base import Layer
from ..layers.checks import as_input, is_integer
from ..layers.known import kind_of
from ..ops import out_sizes

MOST = 2048  # rows, columns or channels of an image


@dataclass(frozen=True)
class Summary:
    """Counts of one network. ``macs``: multiply-adds of convolutions and linear layers, for one image, without biases.

    ``params``: trained numbers (running statistics are not among them). ``depth``: convolutions and linear
    layers on the longest way, as papers count them: those of shortcuts and of gates are left out.
    """

    params: int
    macs: int
    depth: int


def summarize(model: Layer, image: tuple[int, int, int]) -> Summary:
    """Count what ``model`` costs on one image. ``image``: its shape (C, H, W), each an integer of at least 1."""
    shapes = output_shapes(model, image)
    layers = dict(model.walk())
    return Summary(
        params=sum(p.data.size for _, p in model.params()),
        macs=sum(multiply_adds(layers[path], shape) for path, shape in shapes.items()),
        depth=depth(model),
    )


def check_image(image):
    """Raise RangeError unless ``image`` is (C, H, W), each from 1 to 2048."""
    if len(image) != 3 or not all(is_integer(size) and size >= 1 for size in image):
        raise RangeError(f"image is {image!r}, expected (C, H, W), three integers of at least 1: (3, 32, 32)")
    if max(image) > MOST:
        raise RangeError(f"image is {image!r}, expected (C, H, W), each at most {MOST}")


def output_shapes(model, image):
    """{path: shape of the output without the batch axis} of every layer, by a run on one black image (C, H, W).

    Layers whose shapes can be told without computing are not run.
    """
    check_image(image)
    shapes = {}

    def forward(path, layer, run):
        told = _TOLD.get(kind_of(layer))

        def seen(x, train=False):
            shape = told(layer, x) if told else run(x, train)[0].shape
            shapes[path] = shape[1:]
            return _black(shape, x.dtype), None

        return seen

    twin = copy.deepcopy(model, {id(t): t for _, t in model.tensors()})
    layers = {}  # one that is used twice is seen under its first path
    for path, layer in twin.walk():
        layers.setdefault(id(layer), (path, layer))
    for path, layer in layers.values():
        layer.forward = forward(path, layer, layer.forward)
    twin(_black((1, *image), next(p.data.dtype for _, p in model.params())))
    return shapes


def _black(shape, dtype):
    """Zeros that take the memory of one."""
    return np.broadcast_to(dtype.type(0), shape)


def _conv_shape(layer, x):
    n, _, *size = as_input(layer, x, "NCHW", like=layer.weight.data, C=layer.in_channels).shape
    out = out_sizes(size, layer.kernel, layer.stride, layer.padding, layer.dilation, layer="Conv2d")
    return n, layer.out_channels, *out


def _linear_shape(layer, x):
    return len(as_input(layer, x, "ND", like=layer.weight.data, D=layer.in_features)), layer.out_features


def _pool_shape(layer, x):
    n, c, *size = as_input(layer, x, "NCHW").shape
    return n, c, *layer._out_sizes(size)


def _norm_shape(layer, x):
    return as_input(layer, x, layer.axes, like=layer.gamma.data, C=layer.channels).shape


_TOLD = {
    Conv2d: _conv_shape,
    Linear: _linear_shape,
    MaxPool2d: _pool_shape,
    AvgPool2d: _pool_shape,
    BatchNorm2d: _norm_shape,
    ReLU: lambda layer, x: as_input(layer, x).shape,
}


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
