"""timm's names of Res2Net and Res2NeXt: github.com/huggingface/pytorch-image-models, timm/models/res2net.py."""

from ..layout import IMAGENET, Layout, renaming
from .resnet import RULES

GROUPS = (
    *RULES,
    (r"^(layer\d+\.\d+)\.(conv|bn)\b", r"\1.\g<2>1"),
    (r"\.groups\.(\d+)(\.function)?\.(conv|bn)\b", r".\3s.\1"),
    (r"\.groups\.(conv|bn)\b", r".\1s.0"),  # of scale 1
    (r"\.se\.gate\.conv", ".se.fc"),
)
MODELS = r"res2net(50|101|152)_\d+w_\d+s|res2next(50|101|152)"

LAYOUTS = (Layout("timm-res2net", MODELS, renaming(*GROUPS), **IMAGENET),)
