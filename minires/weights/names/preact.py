"""timm's names of ResNet v2: github.com/huggingface/pytorch-image-models, timm/models/resnetv2.py."""

from ..layout import IMAGENET, Layout, renaming, stage_number

RULES = (
    (r"^stage(\d+)\.", lambda match: stage_number("stages.", -1)(match) + ".blocks."),
    (r"^head\.bn\b", "norm"),
    (r"\.add\.shortcut\b", ".downsample.conv"),
    (r"(\.add)?\.branch\b", ""),
    (r"\.bn(\d)\b", r".norm\1"),
    (r"\.bn\b", ".norm1"),
)

LAYOUTS = (Layout("timm-resnetv2", r"resnetv2_\d+", renaming(*RULES), **IMAGENET, axes={r"head\.fc\.weight": 4}),)
