"""The names of ResNet in Hugging Face's transformers: ResNetForImageClassification."""

from ..layout import IMAGENET, Layout, renaming, shifted

RULES = (
    (r"^stem\.", "resnet.embedder.embedder."),
    (r"^stage(\d+)\.(\d+)\.", shifted("resnet.encoder.stages.{}.layers.{}.", -1, 0)),
    (r"\.add\.(shortcut)\b", r".\1"),
    (r"\.add\.branch\.(conv|bn)(\d)\b", lambda match: f".layer.{int(match[2]) - 1}.{match[1]}"),
    (r"\.conv\b", ".convolution"),
    (r"\.bn\b", ".normalization"),
    (r"^head\.fc\b", "classifier.1"),
)

LAYOUTS = (Layout("transformers", r"resnet(18|34|50|101|152)", renaming(*RULES), **IMAGENET),)
