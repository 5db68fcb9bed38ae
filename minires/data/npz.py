"""Images and labels in one npz archive, as medMNIST (Yang et al. 2023) and Keras publish them.

The names of the arrays are ``train_images``, ``train_labels``, ``test_images``, ``test_labels``, or ``x_train``,
``y_train``, ``x_test``, ``y_test``. Images are uint8, (N, H, W), (N, H, W, 1 or 3) or (N, 1 or 3, H, W), labels are
integers, (N,) or (N, 1).
"""

import mmap

import numpy as np

from minires.data.classes import check_labels
from minires.errors import CheckpointError, DataFileError
from minires.files import npz
from minires.files.bounded import AGAIN, broken, reading
from minires.files.kind import HEAD, refused
from minires.files.zip import read_directory

MAX_BYTES = 1 << 31  # of one array
MAX_CLASSES = 10_000
NAMES = (("{split}_images", "{split}_labels"), ("x_{split}", "y_{split}"))


def read_npz(path, split, classes=None):
    """Return images (N, C, H, W) uint8, labels (N,) int64 and the number of classes: ``classes``, or those that occur.

    Raises DataFileError.
    """
    other_split = "test" if split == "train" else "train"
    with reading(path), open(path, "rb") as file:
        if (head := file.read(HEAD))[:4] != b"PK\3\4":
            raise refused(path, "an npz archive of images and labels", head)
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)  # closed with the last tensor that looks at it
        images, labels, others = _arrays(path, data, split, other_split)
    images, labels, others = _images(path, images), _labels(path, labels), _labels(path, others)
    if len(images) != len(labels):
        raise broken(path, f"number of labels of {split}", len(labels), f"{len(images)}, one for each image")
    every = np.concatenate([labels, others])
    check_labels(path, every, classes or MAX_CLASSES)
    return images, labels, classes or int(every.max()) + 1


def _arrays(path, data, split, other_split):
    """Images and labels of ``split``, and labels of the other one."""
    try:
        members = read_directory(data)
        images, labels = _names(path, members)
        wanted = [
            f"{name}.npy"
            for name in (images.format(split=split), labels.format(split=split), labels.format(split=other_split))
        ]
        tensors = npz.read_npz(data, {name: members[name] for name in wanted})
        for name, tensor in tensors.items():
            if tensor.nbytes > MAX_BYTES:
                raise broken(
                    path,
                    f"size of array {name}, {tensor.shape}",
                    f"{tensor.nbytes} bytes",
                    f"at most {MAX_BYTES} bytes",
                )
        return [tensor.array(name) for name, tensor in tensors.items()]
    except (ValueError, TypeError, CheckpointError) as error:
        raise DataFileError(f"{path}: {error}: {AGAIN}") from error


def _names(path, members):
    for names in NAMES:
        if all(f"{name.format(split=split)}.npy" in members for name in names for split in ("train", "test")):
            return names
    found = ", ".join(sorted(name.removesuffix(".npy") for name in members)[:10])[:200]
    raise DataFileError(
        f"{path}: its arrays are {found}; expected train_images, train_labels, test_images and "
        "test_labels, or x_train, y_train, x_test and y_test: save them under these names"
    )


def _images(path, images):
    """As (N, C, H, W)."""
    if images.dtype != np.uint8:
        raise broken(
            path,
            "dtype of the images",
            images.dtype,
            "uint8, 0 black and 255 white",
            "convert them: (255 * images).round().astype(numpy.uint8)",
        )
    if images.ndim == 3:
        images = images[:, None]
    elif images.ndim == 4 and images.shape[3] in (1, 3) and images.shape[1] not in (1, 3):
        images = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
    if images.ndim != 4 or images.shape[1] not in (1, 3) or images.size == 0:
        raise broken(
            path,
            "shape of the images",
            images.shape,
            "(N, H, W), (N, H, W, 3) or (N, 3, H, W)",
            "images have one channel or three",
        )
    return images


def _labels(path, labels):
    if labels.dtype.kind not in "ui":
        raise broken(path, "dtype of the labels", labels.dtype, "integers", "labels are indices of classes")
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1 or len(labels) == 0:
        raise broken(path, "shape of the labels", labels.shape, "(N,) or (N, 1)", "each image has one class here")
    return labels.astype(np.int64)
