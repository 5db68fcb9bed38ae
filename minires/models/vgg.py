"""VGG: Simonyan and Zisserman 2015. Rows of 3x3 convolutions, and nearly all parameters in three linear layers."""

from ..errors import RangeError
from ..initializers import generator
from ..layers import AdaptiveAvgPool2d, BatchNorm2d, Conv2d, Dropout, Flatten, Linear, MaxPool2d, ReLU, Sequential
from .family import Family
from .network import classifier, he_by_fan_out

WIDTHS = (64, 128, 256, 512, 512)
# depth: convolutions of each stage; with the three linear layers they make the depth
COUNTS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
GRID = 7


def vgg(depth, suffix="", *, num_classes=1000, in_channels=3, hidden=4096, dropout=0.5, rng):
    """Five stages of conv3x3 - ReLU that end in a max pool 2x2, then three linear layers. Table 1 of the paper.

    x: (N, in_channels, H, W), H, W >= 32   y: (N, num_classes)   suffix: "" or "_bn", batch norm before each ReLU
    hidden: width of the first two linear layers   dropout: p behind each of them
    Images of another size than 224 x 224 are brought to 7 x 7 pixels by means, as in torchvision.
    """
    if depth not in COUNTS:
        raise RangeError(f"depth is {depth!r}, expected one of {', '.join(map(str, COUNTS))}")
    rng = generator(rng)
    stages, channels = {}, in_channels
    for s, (width, count) in enumerate(zip(WIDTHS, COUNTS[depth]), start=1):
        layers = {}
        for c in range(1, count + 1):
            layers[f"conv{c}"] = Conv2d(channels, width, 3, padding=1, bias=True, rng=rng)
            if suffix == "_bn":
                layers[f"bn{c}"] = BatchNorm2d(width)
            layers[f"relu{c}"] = ReLU()
            channels = width
        stages[f"stage{s}"] = Sequential(**layers, pool=MaxPool2d(2))
    first, second = rng.spawn(2)
    head = Sequential(
        pool=AdaptiveAvgPool2d(GRID),
        flatten=Flatten(),
        fc1=Linear(GRID * GRID * channels, hidden, rng=rng),
        relu1=ReLU(),
        dropout1=Dropout(dropout, rng=first),
        fc2=Linear(hidden, hidden, rng=rng),
        relu2=ReLU(),
        dropout2=Dropout(dropout, rng=second),
        fc3=classifier(hidden, num_classes, rng=rng),
    )
    return he_by_fan_out(Sequential(**stages, head=head))


FAMILIES = (
    Family(
        "vgg{11,13,16,19}, vgg{11,13,16,19}_bn",
        "vgg(11|13|16|19)(|_bn)",
        vgg,
        "VGG, with batch norm as _bn; hidden=width of the linear layers, dropout=p",
        tuple(f"vgg{depth}{suffix}" for suffix in ("", "_bn") for depth in COUNTS),
        notes=(
            "Convolutions have biases, also before batch norm, as in torchvision; there they change nothing.",
            "The hidden linear layers start with He's normal weights, torchvision's with a standard deviation of 0.01.",
        ),
    ),
)
