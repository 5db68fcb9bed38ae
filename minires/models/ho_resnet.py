"""Higher-order residual networks for small images: Luo et al. 2021. A block is a step of a Runge-Kutta method."""

from functools import partial

from ..errors import RangeError
from ..initializers import generator
from ..layers import RungeKutta, Sequential
from ..layers.runge_kutta import METHODS
from .blocks import basic_convs, conv_branch, require_choice, shortcut_layer
from .family import Family
from .network import assemble, blocks_per_stage, small_stem, three_widths

WIDTHS = (16, 32, 64)


def ho_resnet(depth, method, *, num_classes=10, in_channels=3, widths=WIDTHS, rng):
    """conv3x3, three stages of n steps of ``method`` with 16, 32, 64 channels, BN - ReLU, global mean, linear.

    x: (N, in_channels, H, W), any H, W >= 1   y: (N, num_classes)   widths: the channels of the three stages
    A method of s functions makes depth = 6 s n + 2. Networks of equal depth have equal numbers of parameters and
    multiply-adds, whatever the method. The methods: see :class:`~minires.layers.RungeKutta`.
    """
    require_choice("method", method, METHODS)
    rng, widths = generator(rng), three_widths(widths)
    try:
        count = blocks_per_stage(depth, 2 * len(METHODS[method][1]))
    except RangeError as error:
        raise RangeError(f"{method}: {error}") from None
    return assemble(
        small_stem(in_channels, widths[0], "", rng=rng),
        partial(runge_kutta_block, method=method, rng=rng),
        channels=widths[0],
        widths=widths,
        counts=(count,) * 3,
        tail="bn relu",
        num_classes=num_classes,
        rng=rng,
    )


def runge_kutta_block(in_channels, out_channels, stride, *, method, rng):
    """One step of ``method`` with functions f = BN - ReLU - conv3x3 - BN - ReLU - conv3x3, each with own weights.

    A step keeps its shape: where that changes, every stride-th pixel and zero channels (option A) come before it.
    """
    rng = generator(rng)
    convs = basic_convs(out_channels, 1)
    functions = [conv_branch(out_channels, convs, block="full_preact", rng=rng) for _ in METHODS[method][1]]
    step = RungeKutta(method, *functions)
    change = shortcut_layer(in_channels, out_channels, stride, "A", rng=rng)
    return step if change is None else Sequential(**dict(change.children()), step=step)


FAMILIES = (
    Family(
        "ho_resnet{6sn+2}_{method}",
        f"ho_resnet([1-9][0-9]*)_({'|'.join(METHODS)})",
        ho_resnet,
        f"residual network of Runge-Kutta steps with s functions for small images; {', '.join(METHODS)}; widths",
        ("ho_resnet20_euler", "ho_resnet26_midpoint", "ho_resnet26_heun", "ho_resnet26_ralston")
        + ("ho_resnet20_heun3", "ho_resnet20_kutta3", "ho_resnet26_rk4"),
        32,
        10,
        (
            "Functions are pre-activated, BN-ReLU-conv-BN-ReLU-conv; nothing stands behind the addition.",
            "Stages change shape before their first step, without parameters. Depth counts all convolutions.",
        ),
    ),
)
