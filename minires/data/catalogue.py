"""What each data set is, and whether its files are in place."""

from pathlib import Path

from minires.data.cifar import CIFAR, find_cifar
from minires.data.datasets import find_idx

ABOUT = {
    "cifar10": "60,000 colour photographs, 32 x 32, 10 classes of animals and vehicles",
    "cifar100": "60,000 colour photographs, 32 x 32, 100 classes",
    "fashion_mnist": "70,000 grey pictures, 28 x 28, 10 classes of clothes",
    "fashion_mnist_12k": "12,000 of fashion_mnist, for teaching; comes with minires",
    "folder": "pictures of your own: train/ and test/ with one sub-folder a class",
    "mnist": "70,000 handwritten digits, 28 x 28, 10 classes",
}


def is_there(name, data_dir):
    """Whether :func:`~minires.data.load` would find the files of both splits; none of them is read."""
    data_dir = Path(data_dir)
    if name == "fashion_mnist_12k":
        return True
    if name == "folder":
        return (data_dir / "train").is_dir() and (data_dir / "test").is_dir()
    if name in CIFAR:
        return all(find_cifar(CIFAR[name], split, data_dir)[0] for split in ("train", "test"))
    return all(_has_idx(name, prefix, data_dir) for prefix in ("train", "t10k"))


def _has_idx(name, prefix, data_dir):
    folders = [data_dir / name, data_dir]
    if data_dir.name in {"mnist", "fashion_mnist"} - {name}:
        folders.pop()  # the two sets have the same file names: never take one for the other
    files = (f"{prefix}-images-idx3-ubyte", f"{prefix}-labels-idx1-ubyte")
    return any(all(find_idx(folder, file) for file in files) for folder in folders)
