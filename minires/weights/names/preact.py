"""timm's names of ResNet v2: github.com/huggingface/pytorch-image-models, timm/models/resnetv2.py."""

from ..layout import IMAGENET, Layout, renaming, shifted

RULES = (
    (r"^stage(\d+)\.", shifted("stages.{}.blocks.", -1)),
    (r"^head\.bn\b", "norm"),
    (r"\.add\.shortcut\b", ".downsample.conv"),
    (r"(\.add)?\.branch\b", ""),
    (r"\.bn(\d)\b", r".norm\1"),
    (r"\.bn\b", ".norm1"),
)

LAYOUTS = (
    Layout("timm-resnetv2", r"resnetv2_\d+", renaming(*RULES), **IMAGENET, kernels={r"head\.fc\.weight": (1, 1)}),
)
