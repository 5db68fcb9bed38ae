"""Names of squeeze-and-excitation networks: timm's for ImageNet, those of moskomule's code for small images."""

from ..layout import IMAGENET, Layout, renaming
from .resnet import RULES

LAYOUTS = (
    Layout(
        "timm-seresnet", r"seresnet(18|34|50|101|152)", renaming(*RULES, (r"\.se\.gate\.conv", ".se.fc")), **IMAGENET
    ),
    # github.com/moskomule/senet.pytorch
    Layout(
        "moskomule",
        r"seresnet(?!(?:18|34|50|101|152)$)\d+",
        renaming(*RULES, (r"\.se\.gate\.conv1\b", ".se.fc.0"), (r"\.se\.gate\.conv2\b", ".se.fc.2")),
        {"shortcut": "B"},
        kernels={r".*\.se\.fc\.[02]\.weight": ()},
    ),
)
