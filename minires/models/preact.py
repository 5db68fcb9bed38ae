"""ResNet v2 for ImageNet: He et al. 2016, "Identity Mappings in Deep Residual Networks"."""

from .family import Family
from .resnet import resnet

DEPTHS = (18, 34, 50, 101, 152, 200)


def resnetv2(depth, *, num_classes=1000, in_channels=3, shortcut="B", stride_on="3x3", rng):
    """:func:`~minires.models.resnet.resnet` with block="full_preact".

    The stem has no batch norm, the head begins with BN - ReLU. Where a block changes the shape its first BN - ReLU
    feeds both the branch and the shortcut, a 1x1 convolution without batch norm.
    """
    return resnet(
        depth,
        num_classes=num_classes,
        in_channels=in_channels,
        shortcut=shortcut,
        block="full_preact",
        stride_on=stride_on,
        rng=rng,
    )


FAMILIES = (
    Family(
        f"resnetv2_{{{','.join(map(str, DEPTHS))}}}",
        f"resnetv2_({'|'.join(map(str, DEPTHS))})",
        resnetv2,
        "ResNet v2 for ImageNet: pre-activation; shortcut, stride_on=3x3, 1x1",
        tuple(f"resnetv2_{depth}" for depth in DEPTHS),
        notes=(
            "Stride on the 3x3, as timm; the paper's code has it on the first 1x1 (stride_on=1x1).",
            "The head is a linear layer; timm's a 1x1 convolution with the same numbers.",
        ),
    ),
)
