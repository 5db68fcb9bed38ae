"""Folders of images: one sub-folder a class. Needs Pillow (``pip install 'minires[images]'``)."""

from pathlib import Path

import numpy as np

from minires.backend import Array
from minires.data.picture import read_image, require_pillow
from minires.errors import DataFileError, RangeError
from minires.files import StrPath
from minires.files.bounded import broken, place, reading
from minires.files.kind import refused
from minires.layers.checks import Pair, is_integer

MAX_BYTES = 1 << 33  # of all images together, which stay in memory
MAX_LISTED = 20  # files or sizes in a message
NO_PICTURES = ("thumbs.db", "desktop.ini", "__macosx")  # what Windows and macOS leave in folders
TEST_NAMES = ("test", "val", "valid", "validation")
SPLIT_ONE = "let a part of each class be the test set: test_part=0.2 in Python, --test-part 0.2 on the command line"
ONE_SIZE = "give all images one size, or cut them to one: size=64 in Python, --image 64 on the command line"


def read_folder(folder: StrPath, size: Pair | None = None) -> tuple[Array, Array, tuple[str, ...]]:
    """Return images (N, 3, H, W) uint8, labels (N,) int64 and the sorted names of the sub-folders, the classes.

    Images are in the order of class and file name, upright as their EXIF data say, and transparent pixels lie on white.
    Names that begin with a dot, Thumbs.db, desktop.ini and __MACOSX are passed over; any other file that is no picture
    is an error, which lists all of them. size: H = W, or (H, W): each image is scaled, its sides in their ratio, to
    cover that, and its middle is cut out; without it all images must have one size. Raises DataFileError.
    """
    size = checked_size(size)
    paths, labels, classes = list_images(Path(folder))
    return read_images(folder, paths, size), np.array(labels, np.int64), classes


def load_folder(split, data_dir, size=None, test_part=None):
    """The same of a split of ``data_dir``, see :func:`~minires.data.load`; labels count the classes of training."""
    size, (train, test) = checked_size(size), find_splits(data_dir, test_part)
    paths, labels, classes = list_images(train)
    if test_part is not None:
        chosen = in_test_part(labels, test_part) == (split == "test")
        paths, labels = [path for path, take in zip(paths, chosen) if take], np.array(labels)[chosen]
    elif split == "test":
        if test is None:
            names = ", ".join(TEST_NAMES)
            raise DataFileError(f"{data_dir} holds none of the folders {names}: add one, or {SPLIT_ONE}")
        paths, labels = list_test_images(test, train, classes)
    return read_images(data_dir, paths, size), np.array(labels, np.int64), classes


def find_splits(data_dir, test_part=None):
    """Return the folders of both splits; that for testing is None where there is none, or where a part is split off."""
    if data_dir.is_file():
        raise refused(data_dir, "a folder with train and test, each with one sub-folder a class")
    train = data_dir / "train"
    test = test_folder(data_dir)
    if test_part is None and not train.is_dir():
        raise DataFileError(
            f"{train}: there is no such folder: give the folder that holds train and test, each with "
            f"one sub-folder a class; or only such sub-folders, and {SPLIT_ONE}"
        )
    if test_part is not None and test is not None:
        raise DataFileError(
            f"{data_dir} holds {test.name}, and test_part is {test_part}, expected one of them: "
            "leave test_part out, or move the folder away"
        )
    return (train if train.is_dir() else data_dir), test


def test_folder(data_dir):
    """The folder of the test images below ``data_dir``, or None."""
    return next((path for name in TEST_NAMES if (path := place(data_dir) / name).is_dir()), None)


def in_test_part(labels, part):
    """Return for each image whether it belongs to the test set: (N,) bool, the same for the same labels always.

    Of each class that part is drawn at random, rounded, but at least one image, and one less than there are.
    """
    labels = np.asarray(labels)
    chosen = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        places = np.flatnonzero(labels == label)
        count = min(max(1, round(part * len(places))), len(places) - 1)
        chosen[np.random.default_rng([0, label]).permutation(places)[:count]] = True
    if not chosen.any():
        raise DataFileError(f"test_part is {part}, but no class has more than 1 image: add images")
    return chosen


def checked_size(size):
    """(H, W) of a size, which is one integer where both are equal, or None."""
    if size is None:
        return None
    sides = size if isinstance(size, tuple) else (size, size)
    if len(sides) == 2 and all(is_integer(side) and side > 0 for side in sides):
        return tuple(map(int, sides))
    raise RangeError(f"size is {size!r}, expected a positive integer, or two of them (H, W): correct it")


def list_images(folder):
    """Return paths, labels and class names."""
    if not folder.is_dir():
        raise DataFileError(f"{folder}: there is no such folder: give the folder that holds one sub-folder a class")
    classes = tuple(path.name for path in visible(folder) if path.is_dir())
    if not classes:
        raise DataFileError(f"{folder}: there are no sub-folders: make one a class and put its images there")
    paths, labels = [], []
    for label, name in enumerate(classes):
        found = visible(folder / name)
        if not found:
            raise DataFileError(f"{folder / name}: the class holds no image: add images or remove the folder")
        paths += found
        labels += [label] * len(found)
    return paths, labels, classes


def list_test_images(folder, train, classes):
    """Return paths and labels, the indices of ``classes``; a class may have no image here."""
    found = {path.name: visible(path) for path in visible(folder) if path.is_dir()}
    unknown = [name for name, paths in found.items() if paths and name not in classes]
    if unknown:
        raise DataFileError(
            f"{folder}: the classes {shown(unknown)} are none of {train}, which has {shown(classes)}: "
            "rename or remove them"
        )
    pairs = [(path, label) for label, name in enumerate(classes) for path in found.get(name, ())]
    if not pairs:
        raise DataFileError(f"{folder} holds no image of a class of {train}: put images into {folder / classes[0]}")
    return zip(*pairs)


def visible(folder):
    with reading(folder):
        return sorted(
            path for path in folder.iterdir() if not path.name.startswith(".") and path.name.lower() not in NO_PICTURES
        )


def read_images(folder, paths, size):
    """Return pixels (N, 3, H, W) uint8 of the images at ``paths``, or raise a DataFileError that names all bad ones."""
    require_pillow(folder)
    images, bad, sizes = None, [], {}
    for i, path in enumerate(paths):
        try:
            pixels = read_image(path, size)
        except DataFileError as error:
            bad.append(str(error))
            continue
        shape = pixels.shape[:2]
        first, count = sizes.get(shape, (path, 0))
        sizes[shape] = first, count + 1
        if images is None:
            images = allocate(folder, len(paths), shape)
        if not bad and len(sizes) == 1:
            images[i] = pixels.transpose(2, 0, 1)
    if len(sizes) > 1:
        kinds = [f"{height} x {width}: {count}, such as {first}" for (height, width), (first, count) in sizes.items()]
        kinds = shown(kinds, "; ")
        bad[:0] = [f"{folder}: the images have {len(sizes)} sizes (H x W), expected one: {kinds}: {ONE_SIZE}"]
    if len(bad) > 1:
        raise DataFileError(f"{folder}: {len(bad)} faults, expected none:\n  " + shown(bad, "\n  "))
    if bad:
        raise DataFileError(bad[0])
    return images


def allocate(folder, count, shape):
    height, width = shape
    total = count * height * width * 3
    if total > MAX_BYTES:
        raise broken(
            folder,
            f"size of {count} images of {height} x {width}",
            f"{total} bytes",
            f"at most {MAX_BYTES} bytes",
            "take fewer images, or cut them smaller: size=64, --image 64",
        )
    return np.empty((count, 3, height, width), np.uint8)


def shown(names, separator=", "):
    """The first of many, and how many more there are."""
    more = [f"and {len(names) - MAX_LISTED} more"] if len(names) > MAX_LISTED else []
    return separator.join([*names[:MAX_LISTED], *more])
