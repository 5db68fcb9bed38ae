"""Names of the classes, in the order of their labels."""

from minires.files.bounded import broken

MNIST = tuple("0123456789")

FASHION_MNIST = (
    "T-shirt/top",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)

KMNIST = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")

_LETTERS = "abcdefghijklmnopqrstuvwxyz"

# The sets of EMNIST (Cohen et al. 2017, arXiv:1702.05373). Where capitals and small letters are one class in part, only
# the small ones that look different have a class of their own.
EMNIST = {
    "balanced": (*MNIST, *_LETTERS.upper(), *"abdefghnqrt"),
    "byclass": (*MNIST, *_LETTERS.upper(), *_LETTERS),
    "bymerge": (*MNIST, *_LETTERS.upper(), *"abdefghnqrt"),
    "digits": MNIST,
    "letters": tuple(_LETTERS),
    "mnist": MNIST,
}

CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

CIFAR100 = tuple(
    """
    apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can castle
    caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin elephant
    flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree
    motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate
    poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail snake spider
    squirrel streetcar sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip turtle
    wardrobe whale willow_tree wolf woman worm
""".split()
)


def check_labels(path, labels, classes, first=0):
    """Raise DataFileError unless every label is one of the ``classes`` integers from ``first``."""
    outside = (labels < first) | (labels >= first + classes)
    if outside.any():
        index = int(outside.argmax())
        raise broken(path, f"label {index}", int(labels[index]), f"{first} to {first + classes - 1}")
