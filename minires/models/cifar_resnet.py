"""The residual and plain networks for small images of He et al. 2015, section 4.2: depth 6n + 2.

With bottleneck blocks, depth 9n + 2, they are those of He et al. 2016, "Identity Mappings": ResNet-164 and ResNet-1001.
"""

from collections.abc import Sequence
from functools import partial

from ..errors import RangeError
from ..initializers import Rng, generator
from ..layers import Sequential
from ..layers.checks import is_integer
from .blocks import GATE_BIAS, SHORTCUTS, basic_block, bottleneck_block, check_options, plain_block
from .family import Family
from .network import assemble, blocks_per_stage, he_by_fan_out, small_stem, three_widths
from .placement import PLACEMENTS, TAIL, placement_of
from .unnormalised import check_start, start_branches

WIDTHS = (16, 32, 64)
IMAGENET_DEPTHS = (18, 34, 50, 101, 152)  # names of other networks: never basic networks for small images
DEPTHS = (8, 14, 20, 32, 44, 56, 110, 164, 1001, 1202)


def cifar_resnet(
    depth: int,
    *,
    num_classes: int = 10,
    in_channels: int = 3,
    shortcut: str = "A",
    block: str = "original",
    gate_bias: float = GATE_BIAS,
    bottleneck: bool | None = None,
    stride_on: str | None = None,
    norm: str | None = "batch",
    init: str | None = None,
    widths: Sequence[int] = WIDTHS,
    tail: str | None = None,
    rng: Rng,
) -> Sequential:
    """conv3x3 - BN - ReLU, three stages of n blocks with 16, 32, 64 channels, global mean, linear.

    x: (N, in_channels, H, W), any H, W >= 1   y: (N, num_classes)   depth = 6n + 2, or 9n + 2 with bottlenecks
    The first block of the second and third stage has stride 2. Convolutions start with He's normal weights by fan-in.

    ``block``: where the activations stand: "original", "bn_after_add", "relu_before_add", "relu_only_preact",
    "full_preact" (see :func:`~minires.models.blocks.basic_block`). The stem of "relu_only_preact" is conv3x3 - BN
    and its tail ReLU; the stem of "full_preact" is conv3x3 and its tail BN - ReLU.
    ``tail``: what stands between the last block and the global mean. None is that of the block; "bn relu" serves
    "relu_before_add", which has nothing there (see :func:`~minires.models.placement.placement_of`).
    ``shortcut``: "A", "A-both", "B", "C", "scale", "scale-shortcut", "exclusive-gate", "shortcut-gate", "conv1x1",
    "dropout" (see :func:`~minires.models.blocks.shortcut`); ``gate_bias``: the first bias of the two gates.

    ``bottleneck``: None decides by depth as the papers do: see :func:`has_bottlenecks`. Stages then end in 64, 128,
    256 channels, the stride is on the convolution ``stride_on``, "1x1" or by default "3x3", and weights start by
    fan-out.
    ``widths``: the channels of the three stages, of which bottlenecks make four times as many
    ``norm``: "batch" or None, none   ``init``: how the branches start, None, "zero-gamma" with batch norm, "skipinit"
    or "fixup" without (see :func:`~minires.models.unnormalised.start_branches`).
    Raises RangeError for another depth, shortcut, block, bias, stride_on, widths, tail, norm or init.
    """
    check_options(block, shortcut, gate_bias)
    check_start(norm, init, tail)
    bottleneck = has_bottlenecks(depth) if bottleneck is None else bottleneck
    rng = generator(rng)
    settings = {"shortcut": shortcut, "block": block, "gate_bias": gate_bias, "rng": rng}
    frame = (placement_of(block, tail), depth, num_classes, in_channels, rng)
    if not bottleneck:
        if stride_on is not None:
            raise RangeError(f"stride_on is {stride_on!r}, but basic blocks have no 1x1 convolution: leave it out")
        make = partial(basic_block, **settings)
        hint = " or, for bottlenecks, 9n + 2"
        model = three_stages(make, *frame, widths=widths, hint=hint)
        return start_branches(model, norm, init)
    make = partial(bottleneck_block, stride_on="3x3" if stride_on is None else stride_on, **settings)
    model = three_stages(make, *frame, widths=widths, layers=3)
    return start_branches(he_by_fan_out(model), norm, init)


def cifar_preact_resnet(
    depth: int,
    *,
    num_classes: int = 10,
    in_channels: int = 3,
    shortcut: str | None = None,
    gate_bias: float = GATE_BIAS,
    bottleneck: bool | None = None,
    stride_on: str | None = None,
    norm: str | None = "batch",
    init: str | None = None,
    widths: Sequence[int] = WIDTHS,
    rng: Rng,
) -> Sequential:
    """:func:`cifar_resnet` with block="full_preact": ResNet v2, He et al. 2016.

    ``shortcut``: by default "A" for basic blocks. Bottlenecks follow the authors' resnet-pre-act.lua: by default
    ``shortcut`` "B" and ``stride_on`` "1x1".
    """
    bottleneck = has_bottlenecks(depth) if bottleneck is None else bottleneck
    if bottleneck and stride_on is None:
        stride_on = "1x1"
    return cifar_resnet(
        depth,
        num_classes=num_classes,
        in_channels=in_channels,
        shortcut=("B" if bottleneck else "A") if shortcut is None else shortcut,
        block="full_preact",
        gate_bias=gate_bias,
        bottleneck=bottleneck,
        stride_on=stride_on,
        norm=norm,
        init=init,
        widths=widths,
        rng=rng,
    )


def cifar_plain(
    depth: int, *, num_classes: int = 10, in_channels: int = 3, widths: Sequence[int] = WIDTHS, rng: Rng
) -> Sequential:
    """The plain network of the same shape as :func:`cifar_resnet`: no shortcut, the same parameters."""
    rng = generator(rng)
    block = partial(plain_block, rng=rng)
    return three_stages(block, PLACEMENTS["original"], depth, num_classes, in_channels, rng, widths=widths)


def has_bottlenecks(depth):
    """Whether the network for small images of this depth has bottleneck blocks if it is not told.

    Some depths are both 6n + 2 and 9n + 2. They are basic (20, 56, 110) but for 164, as in the papers; a depth that
    is 9n + 2 alone, such as 1001, has bottlenecks.
    """
    if not is_integer(depth):
        return False
    return depth == 164 or (depth > 2 and depth % 9 == 2 and depth % 6 != 2)


def three_stages(block, placement, depth, num_classes, in_channels, rng, *, widths, layers=2, hint=""):
    """Stem, three stages of as many blocks of ``layers`` layers as ``depth`` says, and head; ``widths``: channels.

    Blocks of three layers end in four times the channels.
    """
    count, widths = blocks_per_stage(depth, layers, hint=hint), three_widths(widths)
    return assemble(
        small_stem(in_channels, widths[0], placement.stem, rng=rng),
        block,
        channels=widths[0],
        widths=widths if layers == 2 else tuple(4 * width for width in widths),
        counts=(count,) * 3,
        tail=placement.tail,
        num_classes=num_classes,
        rng=rng,
    )


_WITH_OPTIONS = f"shortcut={', '.join(SHORTCUTS)}"
_STARTS = "norm=None has no batch norm; init=skipinit and fixup for such, zero-gamma with batch norm"
_BLOCKS = f"block={', '.join(PLACEMENTS)}; tail={TAIL} in front of the head"
_WIDTHS = "widths=8,16,32 channels"
_BOTTLENECKS = "Depths that are 6n + 2 have basic blocks, 164 and those that are only 9n + 2 bottlenecks (bottleneck=)."

FAMILIES = (
    Family(
        "resnet{6n+2}, resnet{9n+2}",
        "resnet([1-9][0-9]*)",
        cifar_resnet,
        f"residual network for small images; {_WITH_OPTIONS}; {_BLOCKS}; {_WIDTHS}; {_STARTS}",
        tuple(f"resnet{depth}" for depth in DEPTHS),
        32,
        10,
        (
            _BOTTLENECKS,
            "Option A pads the zero channels at the end, as the paper; A-both on both sides, as akamaster's code.",
            "Stride on the 3x3 of bottlenecks, as fb.resnet.torch; stride_on=1x1 has it on the first 1x1.",
            "timm's resnet26 and resnet200 are other networks, for ImageNet: four stages of bottlenecks behind a 7x7.",
        ),
    ),
    Family(
        "preact_resnet{6n+2}, preact_resnet{9n+2}",
        f"preact_resnet(?!(?:{'|'.join(map(str, IMAGENET_DEPTHS))})$)([1-9][0-9]*)",
        cifar_preact_resnet,
        "ResNet v2 for small images: the same with block=full_preact, bottlenecks with shortcut=B; widths",
        tuple(f"preact_resnet{depth}" for depth in DEPTHS),
        32,
        10,
        (
            _BOTTLENECKS,
            "Bottlenecks are those of the authors' resnet-pre-act.lua: shortcut B, stride on the first 1x1.",
            "Where the channels change by a 1x1 convolution, that has no batch norm and shares the first BN-ReLU.",
            "The networks of depth 18, 34, 50, 101, 152 for ImageNet are called resnetv2_18 to resnetv2_152.",
        ),
    ),
    Family(
        "plain{6n+2}",
        "plain([1-9][0-9]*)",
        cifar_plain,
        f"the plain network of the same shape, without shortcuts; {_WIDTHS}",
        tuple(f"plain{depth}" for depth in DEPTHS if depth % 6 == 2),
        32,
        10,
        ("It has the weights of the residual network with shortcut=A from the same seed.",),
    ),
)
