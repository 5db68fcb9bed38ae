"""A data set in memory."""

from dataclasses import dataclass

import numpy as np

from minires.backend import Array
from minires.errors import DTypeError, RangeError, ShapeError

CHUNK = 1000


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images with one label each.

    name: what to call it in messages and logs. images: (N, C, H, W) uint8, 0 black and 255 white. labels: (N,) int64,
    each an index of ``classes``. classes: names of the classes.
    Raises ShapeError, DTypeError or RangeError where the parts do not fit together.
    """

    name: str
    images: np.ndarray
    labels: np.ndarray
    classes: tuple

    def __post_init__(self):
        check_array(self.name, "images", self.images, np.uint8, "(N, C, H, W)", 4)
        check_array(self.name, "labels", self.labels, np.int64, "(N,)", 1)
        if is_channels_last(self.images.shape):
            raise ShapeError(
                f"{self.name}: images has the shape {self.images.shape}, which looks like (N, H, W, C), "
                "expected (N, C, H, W): images.transpose(0, 3, 1, 2)"
            )
        if self.images.size == 0:
            raise ShapeError(f"{self.name}: images of shape {self.images.shape} hold no pixel: give one image or more")
        if len(self.images) != len(self.labels):
            raise ShapeError(
                f"{self.name}: {len(self.images)} images (axis 0) have {len(self.labels)} labels: "
                "give one label an image"
            )
        if not isinstance(self.classes, tuple) or not all(isinstance(name, str) for name in self.classes):
            raise DTypeError(f"{self.name}: classes is not a tuple of str: give the name of each class")
        low, high = int(self.labels.min()), int(self.labels.max())
        if low < 0 or high >= len(self.classes):
            raise RangeError(
                f"{self.name}: labels lie in {low} to {high}, the {len(self.classes)} classes allow 0 to "
                f"{len(self.classes) - 1}: correct the labels or name every class"
            )

    def __len__(self) -> int:
        return len(self.images)

    def subset(self, indices: slice | Array) -> "Dataset":
        """The data set of the images at ``indices``: a slice or an array of int, as NumPy indexes axis 0."""
        return Dataset(self.name, self.images[indices], self.labels[indices], self.classes)

    def mean_std(self) -> tuple[Array, Array]:
        """Mean and standard deviation of each channel over all images and pixels, for values in [0, 1].

        Returns two float64 arrays (C,). Sums run in integers, so the only rounding is that of the last division.
        """
        total = np.zeros(self.images.shape[1], np.int64)
        squares = np.zeros_like(total)
        for start in range(0, len(self), CHUNK):
            chunk = self.images[start : start + CHUNK]
            total += chunk.sum(axis=(0, 2, 3), dtype=np.int64)
            squares += np.square(chunk, dtype=np.int64).sum(axis=(0, 2, 3))
        count = self.images.size // len(total)
        variances = [(count * int(q) - int(s) ** 2) / count**2 for s, q in zip(total, squares)]
        return total / count / 255, np.sqrt(variances) / 255


def is_channels_last(shape):
    """Whether (N, A, B, C) is the shape of images with their channels at the end: one, three or four of them."""
    _, height, width, channels = shape
    return channels in (1, 3, 4) and min(height, width) > 4


def check_array(name, field, array, dtype, axes, ndim):
    if not isinstance(array, np.ndarray) or array.dtype != dtype:
        found = getattr(array, "dtype", type(array).__name__)
        raise DTypeError(f"{name}: {field} is {found}, expected a NumPy array of {np.dtype(dtype)}: convert it")
    if array.ndim != ndim:
        raise ShapeError(f"{name}: {field} has the shape {array.shape}, expected {ndim} axes {axes}: reshape it")
