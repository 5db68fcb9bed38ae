"""torchvision's names, which timm shares: ResNet, ResNeXt and wide ResNet for ImageNet."""

from ..layout import IMAGENET, Layout, renaming

RULES = (
    (r"^stem\.(conv|bn)\b", r"\g<1>1"),
    (r"^stage(\d+)", r"layer\1"),
    (r"\.add\.shortcut\.conv\b", ".downsample.0"),
    (r"\.add\.shortcut\.bn\b", ".downsample.1"),
    (r"\.add\.branch\b", ""),
    (r"^head\.fc\b", "fc"),
)

LAYOUTS = (
    Layout(
        "torchvision",
        r"resnet(18|34|50|101|152)|resnext(50|101|152)_\d+x\d+d|wide_resnet(50|101)_\d+",
        renaming(*RULES),
        **IMAGENET,
    ),
)
