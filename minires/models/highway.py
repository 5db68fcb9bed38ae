"""Highway networks for small images: Srivastava et al. 2015. A gate decides how much of its input a layer lets pass."""

from functools import partial

from ..initializers import generator
from ..layers import Conv2d, Gate, ReLU, Sequential, Sigmoid
from .family import Family
from .network import assemble, blocks_per_stage, three_widths

WIDTHS = (16, 32, 64)
GATE_BIAS = -2.0


def highway(depth, *, num_classes=10, in_channels=3, gate_bias=GATE_BIAS, widths=WIDTHS, rng):
    """conv3x3 - ReLU, three stages of 2n highway layers with 16, 32, 64 channels, global mean, linear: 6n + 2 layers.

    x: (N, in_channels, H, W), any H, W >= 1   y: (N, num_classes)
    The first layer of the second and third stage is a plain convolution with stride 2: a gate keeps the shape.
    widths: the channels of the three stages
    gate_bias: the first bias of the gates; the more negative, the more a fresh network passes on
    """
    count, widths = 2 * blocks_per_stage(depth, 2), three_widths(widths)
    rng = generator(rng)
    return assemble(
        _conv_relu(in_channels, widths[0], 1, rng),
        partial(highway_layer, gate_bias=gate_bias, rng=rng),
        channels=widths[0],
        widths=widths,
        counts=(count,) * 3,
        num_classes=num_classes,
        rng=rng,
    )


def highway_layer(in_channels, out_channels, stride, *, gate_bias=GATE_BIAS, rng):
    """y = T H(x) + (1 - T) x, H = ReLU(conv3x3(x)), T = sigmoid(conv3x3(x)); H alone where the shape changes.

    Convolutions have biases, that of T starts at ``gate_bias``. Eq. 3 of the paper.
    """
    rng = generator(rng)
    transform = _conv_relu(in_channels, out_channels, stride, rng)
    if stride != 1 or in_channels != out_channels:
        return transform
    conv = Conv2d(in_channels, out_channels, 3, padding=1, bias=True, rng=rng)
    conv.bias.data[...] = gate_bias
    return Gate(transform, Sequential(conv=conv, sigmoid=Sigmoid()))


def _conv_relu(in_channels, out_channels, stride, rng):
    conv = Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, bias=True, rng=rng)
    return Sequential(conv=conv, relu=ReLU())


FAMILIES = (
    Family(
        "highway{6n+2}",
        "highway([1-9][0-9]*)",
        highway,
        "highway network for small images: gates instead of shortcuts; gate_bias, widths",
        ("highway8", "highway20", "highway32", "highway56"),
        32,
        10,
        (
            "The shape of the residual networks for small images, to compare with; the paper's have other widths.",
            "Without batch norm, as the paper; a plain layer changes the shape.",
        ),
    ),
)
