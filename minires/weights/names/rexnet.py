"""timm's names of ReXNet: github.com/huggingface/pytorch-image-models, timm/models/rexnet.py."""

from itertools import accumulate

from ...models.rexnet import STAGES
from ..layout import IMAGENET, Layout, renaming, shifted

BEFORE = [0, *accumulate(count for count, _, _ in STAGES)]  # blocks in front of each stage, and of the last convolution
RULES = (
    *((rf"^stage{s}\.(\d+)\.", shifted("features.{}.", before)) for s, before in enumerate(BEFORE, start=1)),
    (r"^last\.", f"features.{BEFORE[-1]}."),
    (r"\.branch\b", ""),
    (r"\.expand\b", ".conv_exp"),
    (r"\.se\.gate\.conv", ".se.fc"),
    (r"\.se\.gate\.bn\b", ".se.bn"),
    (r"^(features\.\d+)\.(conv|bn)1\b", r"\1.conv_dw.\2"),
    (r"^(features\.\d+)\.(conv|bn)2\b", r"\1.conv_pwl.\2"),
)

LAYOUTS = (Layout("timm-rexnet", r"rexnet_\d+", renaming(*RULES), **IMAGENET),)
