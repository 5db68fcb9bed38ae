"""torchvision's names of GoogLeNet; its classifiers at the side have none here."""

from ..layout import Layout, renaming

RULES = ((r"^(stem|head|stage\d)\.", ""), (r"(branch[23])\.reduce\b", r"\1.0"), (r"(branch[234])\.conv\b", r"\1.1"))

# The published weights come from TensorFlow: the network there first brings images from ImageNet's mean to 0.5
LAYOUTS = (Layout("torchvision-googlenet", "googlenet", renaming(*RULES), mean=(0.5,) * 3, std=(0.5,) * 3),)
