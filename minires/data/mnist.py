"""MNIST and the sets that took over its files: Fashion-MNIST, Kuzushiji-MNIST and the six of EMNIST.

A set is a pair of IDX files for each split, packed with gzip or not, or one npz archive as Keras has it.
"""

from dataclasses import dataclass

import numpy as np

from minires.data import classes
from minires.data.idx import read_idx, read_labelled_idx
from minires.data.fingerprints import require_set
from minires.data.npz import read_npz
from minires.errors import DataFileError
from minires.files.bounded import broken

FAMILY = {"images": "idx3", "labels": "idx1"}


@dataclass(frozen=True)
class IdxSet:
    """What the sets differ in.

    classes: their names. folder: what its folder is called, whatever the capitals, dashes and underscores.
    prefixes: {split: start of the file names}. first_label: of the files. transposed: whether rows and columns of the
    images are exchanged in them.
    """

    classes: tuple
    folder: str
    prefixes: dict
    first_label: int = 0
    transposed: bool = False


def _as_mnist(names, folder):
    return IdxSet(names, folder, {"train": "train", "test": "t10k"})


def _emnist(kind):
    prefixes = {split: f"emnist-{kind}-{split}" for split in ("train", "test")}
    return IdxSet(classes.EMNIST[kind], "emnist", prefixes, first_label=int(kind == "letters"), transposed=True)


IDX_SETS = {
    **{f"emnist_{kind}": _emnist(kind) for kind in classes.EMNIST},
    "fashion_mnist": _as_mnist(classes.FASHION_MNIST, "fashionmnist"),
    "kmnist": _as_mnist(classes.KMNIST, "kmnist"),
    "mnist": _as_mnist(classes.MNIST, "mnist"),
}


def find_idx_set(name, split, data_dir):
    """Return the paths of images and labels, or of the npz archive twice; else ``(None, what was looked for)``.

    Looked at: a folder of the name of the set in ``data_dir``, ``data_dir`` itself, and in each the folder ``raw`` (of
    torchvision) or ``gzip`` (of EMNIST's archive).
    """
    prefix, looked = IDX_SETS[name].prefixes[split], []
    if data_dir.is_file() and data_dir.suffix == ".npz":
        return data_dir, data_dir
    for folder in places(IDX_SETS[name].folder, data_dir):
        paths = [find_idx(folder, f"{prefix}-{what}") for what in FAMILY]
        if None not in paths:
            return paths
        if (packed := folder / f"{name}.npz").is_file():
            return packed, packed
        absent = [f"{prefix}-{what}-{kind}-ubyte" for (what, kind), path in zip(FAMILY.items(), paths) if path is None]
        looked.append(f"{', '.join(absent)} (or .gz) in {folder}")
    return None, looked


def places(wanted, data_dir):
    """The folders in which files of a set may lie, those of its own first."""
    if data_dir.is_file():  # one of the files themselves
        data_dir = data_dir.parent
    folders = sorted(data_dir.iterdir()) if data_dir.is_dir() else []
    own = [path for path in folders if plain(path.name) == wanted and path.is_dir()]
    return [
        place
        for folder in (*own, data_dir)
        for place in (folder, folder / "raw", folder / "gzip")
        if place in (folder, data_dir) or place.is_dir()
    ]


def plain(name):
    """A name without capitals, dashes, underscores and spaces: ``Fashion-MNIST`` is ``fashion_mnist``."""
    return "".join(letter for letter in name.lower() if letter not in "-_ ")


def find_idx(folder, start):
    """The path of the file, plain or packed, with its dash or a dot, or in a folder of its name; or None."""
    end = FAMILY[start.rpartition("-")[2]] + "-ubyte"
    names = [f"{start}{mark}{end}{packed}" for mark in "-." for packed in ("", ".gz")]
    paths = [folder / name for name in names] + [folder / name / name for name in names]
    found = [path for path in paths if path.is_file()]
    return next((path for path in found if path.stat().st_size), found[0] if found else None)  # empty ones count last


def read_idx_set(name, split, paths):
    """Return images (N, 1, H, W) uint8 and labels (N,) int64 from the paths of :func:`find_idx_set`.

    Raises DataFileError, also where the images are known to be from another set.
    """
    info, (images_path, labels_path) = IDX_SETS[name], paths
    if images_path == labels_path:
        images, labels, _ = read_npz(images_path, split, len(info.classes))
        if images.shape[1] != 1:
            raise broken(images_path, "number of channels", images.shape[1], f"1 as in {name}", "take --data npz")
        images = images[:, 0]
    else:
        images, labels = read_labelled_idx(images_path, labels_path, len(info.classes), info.first_label)
    require_set(name, images_path, images)
    if info.transposed:
        images = np.ascontiguousarray(images.transpose(0, 2, 1))
    return images[:, None], labels


def is_idx_set(name, data_dir):
    """Whether the files of both splits are there; the test images are read to see that they are not of another set."""
    paths = {split: find_idx_set(name, split, data_dir) for split in ("train", "test")}
    if any(images is None for images, _ in paths.values()):
        return False
    images, labels = paths["test"]
    try:
        require_set(name, images, read_npz(images, "test")[0][:, 0] if images == labels else read_idx(images, 3))
    except DataFileError:
        return False
    return True
