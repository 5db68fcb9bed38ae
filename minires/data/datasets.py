"""The data sets by name."""

from pathlib import Path

from minires.data import classes
from minires.data.cifar import CIFAR, find_cifar, read_cifar
from minires.data.dataset import Dataset
from minires.data.embedded import read_embedded
from minires.data.folder import list_images, read_folder
from minires.data.idx import read_labelled_idx
from minires.data.sources import SOURCES
from minires.errors import DataFileError, RangeError
from minires.files.bounded import reading

DATASETS = ("cifar10", "cifar100", "fashion_mnist", "fashion_mnist_12k", "folder", "mnist")
SPLITS = ("train", "test")

_CLASSES = {
    "cifar10": classes.CIFAR10,
    "cifar100": classes.CIFAR100,
    "fashion_mnist": classes.FASHION_MNIST,
    "mnist": classes.MNIST,
}
_IDX_FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}


def load(name, split, data_dir=None, *, size=None):
    """Return a split of a data set as :class:`Dataset`.

    name: one of ``DATASETS``; "fashion_mnist_12k" is a teaching subset that comes with the package and needs no
    data_dir. split: "train" or "test". data_dir: the folder of the files, or the folder that contains it (``mnist``,
    ``fashion_mnist``, ``cifar-10-batches-bin``, ``cifar-10-binary.tar.gz`` and their like; archives are read in
    place). For "folder" it holds ``train`` and ``test``, each with one sub-folder a class.
    size: (H, W) to which the images of "folder" are resized; for no other name.

    Raises RangeError for an unknown name or split, DataFileError for missing or broken files.
    """
    if name not in DATASETS:
        raise RangeError(f"load: name is {name!r}, expected one of {', '.join(DATASETS)}: choose one")
    if split not in SPLITS:
        raise RangeError(f"load: split is {split!r}, expected 'train' or 'test': choose one")
    if size is not None and name != "folder":
        raise RangeError(f"load: size is {size!r} for {name}, expected None: only images of 'folder' are resized")
    if name == "fashion_mnist_12k":
        return Dataset(name, *read_embedded(split), classes.FASHION_MNIST)
    if data_dir is None:
        raise DataFileError(f"{name}: data_dir is None, expected the folder of its files: {how_to_get(name, 'DIR')}")
    data_dir = Path(data_dir)
    with reading(data_dir):
        if name == "folder":
            return load_folder(split, data_dir, size)
        read = load_cifar if name in CIFAR else load_idx
        return Dataset(name, *read(name, split, data_dir), _CLASSES[name])


def load_cifar(name, split, data_dir):
    path, found = find_cifar(CIFAR[name], split, data_dir)
    if path is None:
        raise missing(name, split, found, data_dir)
    return read_cifar(path, CIFAR[name], found, split)


def load_idx(name, split, data_dir):
    folders = [data_dir / name, data_dir]
    if data_dir.name in {"mnist", "fashion_mnist"} - {name}:
        folders.pop()  # the two sets have the same file names: never take one for the other
    looked = []
    for folder in folders:
        paths = [find_idx(folder, file) for file in _IDX_FILES[split]]
        if None not in paths:
            return read_labelled_idx(*paths, len(_CLASSES[name]))
        absent = [file for file, path in zip(_IDX_FILES[split], paths) if path is None]
        looked.append(f"{', '.join(absent)} (or .gz) in {folder}")
    raise missing(name, split, looked, data_dir)


def find_idx(folder, file):
    """The path of the plain or the packed file, or None."""
    return next((path for path in (folder / file, folder / f"{file}.gz") if path.is_file()), None)


def load_folder(split, data_dir, size):
    images, labels, names = read_folder(data_dir / split, size)
    expected = list_images(data_dir / "train")[2]
    if names != expected:
        raise DataFileError(f"{data_dir / split}: the classes are {', '.join(names)}, expected {', '.join(expected)} "
                            f"as in {data_dir / 'train'}: labels count the classes, so both need the same sub-folders")
    return Dataset("folder", images, labels, names)


def missing(name, split, looked, data_dir):
    return DataFileError(f"{name}: the files of the {split} split are missing; looked for {'; '.join(looked)}: "
                         f"{how_to_get(name, data_dir)}")


def how_to_get(name, data_dir):
    """How the user comes by the files."""
    if name == "folder":
        return "give the folder that holds train/ and test/, each with one sub-folder a class"
    sources = SOURCES[name]
    files = "file" if len(sources) == 1 else "files"
    return (f"minires data {name} --data-dir {data_dir} --download fetches them; or put the {files} "
            f"{', '.join(source.address for source in sources)} into {(Path(data_dir) / sources[0].file).parent}")
