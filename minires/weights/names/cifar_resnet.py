"""The residual networks for small images in two well-known repositories."""

from ..layout import IMAGENET, Layout, renaming
from .resnet import RULES

MODELS = r"resnet(?!(?:18|34|50|101|152)$)\d+"
AKAMASTER = (
    (r"^head\.fc\b", "linear"),
    (r"\.add\.shortcut\.conv\b", ".shortcut.0"),
    (r"\.add\.shortcut\.bn\b", ".shortcut.1"),
    *RULES,
)

LAYOUTS = (
    # github.com/akamaster/pytorch_resnet_cifar10: trained on CIFAR-10, but normalised as ImageNet
    Layout("akamaster", MODELS, renaming(*AKAMASTER), {"shortcut": "A-both"}, **IMAGENET),
    # github.com/chenyaofo/pytorch-cifar-models: torchvision's code with 1x1 convolutions where the shape changes
    Layout("chenyaofo", MODELS, renaming(*RULES), {"shortcut": "B"}),
)
