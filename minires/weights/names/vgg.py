"""torchvision's and timm's names of VGG, where the number of a layer counts the activations and pools before it."""

import re

from ..layout import IMAGENET, Layout, renaming

MODELS = r"vgg(11|13|16|19)(_bn)?"
TORCHVISION = ((r"^head\.fc1\b", "classifier.0"), (r"^head\.fc2\b", "classifier.3"), (r"^head\.fc3\b", "classifier.6"))
TIMM = ((r"^head\.fc3\b", "head.fc"), (r"^head\.(fc[12])\b", r"pre_logits.\1"))


def naming(*head):
    """A Layout's ``rename`` with the rules ``head`` for the linear layers."""
    return lambda paths: renaming(*numbers(paths), *head)(paths)


def numbers(paths):
    """A rule for each convolution and batch norm: a ReLU stands before all convolutions but the first, and a pool
    before those that begin a stage."""
    rules, stage, number = {}, "1", -1
    for path in paths:
        match = re.match(r"stage(\d+)\.(conv|bn)\d+(?=\.\w+$)", path)
        if match and match[0] not in rules:
            number += 1 + (match[2] == "conv" and bool(rules)) + (match[1] != stage)
            stage, rules[match[0]] = match[1], f"features.{number}"
    return [(rf"^{re.escape(layer)}\b", name) for layer, name in rules.items()]


LAYOUTS = (
    Layout("torchvision-vgg", MODELS, naming(*TORCHVISION), **IMAGENET),
    # there the linear layers are convolutions: on images of more than 224 x 224 they are another network
    Layout(
        "timm-vgg",
        MODELS,
        naming(*TIMM),
        **IMAGENET,
        kernels={r"pre_logits\.fc1\.weight": (7, 7), r"pre_logits\.fc2\.weight": (1, 1)},
    ),
)
