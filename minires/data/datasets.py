"""The data sets by name."""

from pathlib import Path

from minires.data import classes
from minires.data.cifar import CIFAR, find_cifar, read_cifar
from minires.data.dataset import Dataset
from minires.data.embedded import EMBEDDED, read_embedded
from minires.data.folder import load_folder
from minires.data.mnist import IDX_SETS, find_idx_set, read_idx_set
from minires.data.npz import read_npz
from minires.data.sources import SOURCES
from minires.errors import DataFileError, RangeError
from minires.files import StrPath
from minires.files.bounded import place, reading
from minires.files.kind import refused
from minires.layers.checks import Pair

DATASETS = tuple(sorted((*CIFAR, *EMBEDDED, *IDX_SETS, "folder", "npz")))
SPLITS = ("train", "test")
CIFAR_CLASSES = {"cifar10": classes.CIFAR10, "cifar100": classes.CIFAR100}


def load(
    name: str, split: str, data_dir: StrPath | None = None, *, size: Pair | None = None, test_part: float | None = None
) -> Dataset:
    """Return a split of a data set as :class:`Dataset`.

    name: one of ``DATASETS``; "digits" (8 x 8 pixels) and "fashion_mnist_12k" (a teaching subset) come with the package
    and need no data_dir. split: "train" or "test". data_dir: the folder of the files, or one that contains that folder
    under the name that the set, its archive or torchvision gives it (``mnist``, ``FashionMNIST/raw``,
    ``cifar-10-batches-bin``, ``cifar-10-binary.tar.gz``); archives are read in place, and their own path will do too.
    Images of MNIST and Fashion-MNIST are recognised, and refused under another name.

    "npz" is an npz archive with images and labels of both splits, as medMNIST and Keras have them; its classes are
    called "0", "1", …

    "folder" is a folder with ``train`` and ``test`` (or ``val``, ``valid``, ``validation``), each with one sub-folder a
    class. Classes are those of ``train``; one without test images is fine. Two settings are for "folder" alone. size:
    H = W, or (H, W), to which each image is scaled and cut, see :func:`~minires.data.read_folder`. test_part: above 0
    and below 1; where there is no test folder, that part of each class is the test set, drawn at random but always the
    same as long as the files are the same; the sub-folders of the classes may then lie in data_dir itself.

    Raises RangeError for an unknown name or split, DataFileError for missing or broken files.
    """
    if name not in DATASETS:
        raise RangeError(f"load: name is {name!r}, expected one of {', '.join(DATASETS)}: choose one")
    if split not in SPLITS:
        raise RangeError(f"load: split is {split!r}, expected 'train' or 'test': choose one")
    for setting, value in (("size", size), ("test_part", test_part)):
        if value is not None and name != "folder":
            raise RangeError(f"load: {setting} is {value!r} for {name}, expected None: it is for 'folder' alone")
    if test_part is not None and not (isinstance(test_part, float) and 0 < test_part < 1):
        raise RangeError(f"load: test_part is {test_part!r}, expected a number above 0 and below 1: change it")
    if name in EMBEDDED:
        images, labels = read_embedded(name, split)
        return Dataset(name, images, labels, EMBEDDED[name])
    if data_dir is None:
        raise DataFileError(f"{name}: data_dir is None, expected the folder of its files: {how_to_get(name, 'DIR')}")
    data_dir = place(data_dir)
    with reading(data_dir):
        if name == "folder":
            return Dataset(name, *load_folder(split, data_dir, size, test_part))
        read = load_cifar if name in CIFAR else load_npz if name == "npz" else load_idx
        return Dataset(name, *read(name, split, data_dir))


def load_cifar(name, split, data_dir):
    path, found = find_cifar(CIFAR[name], split, data_dir)
    if path is None:
        raise missing(name, split, found, data_dir)
    return *read_cifar(path, CIFAR[name], found, split), CIFAR_CLASSES[name]


def load_idx(name, split, data_dir):
    images, found = paths = find_idx_set(name, split, data_dir)
    if images is None:
        raise missing(name, split, found, data_dir)
    return *read_idx_set(name, split, paths), IDX_SETS[name].classes


def load_npz(name, split, data_dir):
    path = find_npz(data_dir)
    if path is None:
        raise missing(name, split, [f"one file .npz in {data_dir}"], data_dir)
    images, labels, count = read_npz(path, split)
    return images, labels, tuple(map(str, range(count)))


def find_npz(data_dir):
    """The archive itself, or the only one in a folder, or None."""
    found = [data_dir] if data_dir.is_file() else sorted(data_dir.glob("*.npz"))
    return found[0] if len(found) == 1 else None


def missing(name, split, looked, data_dir):
    if data_dir.is_file():
        return refused(data_dir, f"the folder of the files of {name}")
    return DataFileError(
        f"{name}: the files of the {split} split are missing; looked for {'; '.join(looked)}: "
        f"{how_to_get(name, data_dir)}"
    )


def how_to_get(name, data_dir):
    """How the user comes by the files."""
    if name == "folder":
        return "give the folder that holds train/ and test/, each with one sub-folder a class"
    if name == "npz":
        return "give the archive itself: --data npz --data-dir pathmnist.npz"
    if name not in SOURCES:
        return (
            f"fetch gzip.zip from https://www.nist.gov/itl/products-and-services/emnist-dataset and unpack it in "
            f"{data_dir}"
        )
    sources = SOURCES[name]
    files = "file" if len(sources) == 1 else "files"
    return (
        f"minires data {name} --data-dir {data_dir} --download fetches them; or put the {files} "
        f"{', '.join(source.address for source in sources)} into {(Path(data_dir) / sources[0].file).parent}"
    )
