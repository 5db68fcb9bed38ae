"""Names of wide residual networks in github.com/xternalz/WideResNet-pytorch."""

from ..layout import Layout, renaming

RULES = (
    (r"^stem\.conv\b", "conv1"),
    (r"^stage(\d+)\.", r"block\1.layer."),
    (r"\.add\.shortcut\b", ".convShortcut"),
    (r"(\.add)?\.branch\b", ""),
    (r"\.bn\b", ".bn1"),
    (r"^head\.", ""),
)

LAYOUTS = (Layout("xternalz", r"wrn_\d+_\d+", renaming(*RULES)),)
