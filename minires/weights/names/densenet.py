"""torchvision's names of DenseNet, which timm shares, and those inside the files that torchvision publishes."""

from ..layout import IMAGENET, Layout, renaming, shifted

MODELS = r"densenet(121|161|169|201)"
RULES = (
    (r"^stem\.conv\b", "features.conv0"),
    (r"^stem\.bn\b", "features.norm0"),
    (r"^block(\d+)\.(\d+)\.branch\.", shifted("features.denseblock{}.denselayer{}.", 0, 1)),
    (r"^transition", "features.transition"),
    (r"^head\.bn\b", "features.norm5"),
    (r"^head\.fc\b", "classifier"),
    (r"\.bn(\d?)\b", r".norm\1"),
)

LAYOUTS = (
    Layout("torchvision-densenet", MODELS, renaming(*RULES), **IMAGENET),
    # from a time when a name could hold a dot; torchvision renames them as it loads them
    Layout("torchvision-densenet-files", MODELS, renaming(*RULES, (r"(layer\d+\.\w+?)(\d)\b", r"\1.\2")), **IMAGENET),
)
