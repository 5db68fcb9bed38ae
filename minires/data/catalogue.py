"""What each data set is, and whether its files are in place."""

from minires.data.cifar import CIFAR, find_cifar
from minires.data.datasets import find_npz
from minires.data.embedded import EMBEDDED
from minires.data.folder import find_splits
from minires.data.mnist import is_idx_set
from minires.errors import DataFileError
from minires.files.bounded import place

ABOUT = {
    "cifar10": "60,000 colour photographs, 32 x 32, 10 classes of animals and vehicles",
    "cifar100": "60,000 colour photographs, 32 x 32, 100 classes",
    "digits": "1,797 handwritten digits, 8 x 8, 10 classes; comes with minires",
    "emnist_balanced": "131,600 handwritten digits and letters, 28 x 28, 47 classes",
    "emnist_byclass": "814,255 handwritten digits and letters, 28 x 28, 62 classes",
    "emnist_bymerge": "814,255 handwritten digits and letters, 28 x 28, 47 classes",
    "emnist_digits": "280,000 handwritten digits, 28 x 28, 10 classes",
    "emnist_letters": "145,600 handwritten letters, 28 x 28, 26 classes",
    "emnist_mnist": "70,000 handwritten digits, 28 x 28, 10 classes, made anew",
    "fashion_mnist": "70,000 grey pictures, 28 x 28, 10 classes of clothes",
    "fashion_mnist_12k": "12,000 of fashion_mnist, for teaching; comes with minires",
    "folder": "pictures of your own: train/ and test/ with one sub-folder a class",
    "kmnist": "70,000 cursive Japanese letters, 28 x 28, 10 classes",
    "mnist": "70,000 handwritten digits, 28 x 28, 10 classes",
    "npz": "images and labels in one npz archive, as medMNIST and Keras have them",
}


def is_there(name, data_dir):
    """Whether :func:`~minires.data.load` would find the files of both splits.

    None is read, but for the test images of the MNIST family: their content tells which set they are from.
    """
    data_dir = place(data_dir)
    if name in EMBEDDED:
        return True
    if name == "npz":
        return find_npz(data_dir) is not None and find_npz(data_dir).suffix == ".npz"
    if name == "folder":
        try:
            return None not in find_splits(data_dir)
        except DataFileError:
            return False
    if name in CIFAR:
        return all(find_cifar(CIFAR[name], split, data_dir)[0] for split in ("train", "test"))
    return is_idx_set(name, data_dir)
