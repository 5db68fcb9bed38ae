"""A data set in memory."""

from dataclasses import dataclass

import numpy as np

from minires.backend import Array
from minires.errors import DTypeError, NumericError, RangeError, ShapeError

CHUNK = 1000


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images, or other examples, with one label each.

    name: what to call it in messages and logs. images: (N, C, H, W) uint8, 0 black and 255 white; or floats (float32,
    float64) of any shape (N, D, ...), such as (N, D) features, taken as they are. labels: (N,) int64, each an index of
    ``classes``. classes: names of the classes.
    Raises ShapeError, DTypeError, RangeError or NumericError where the parts do not fit together.

    >>> x = np.random.default_rng(0).standard_normal((6, 4))
    >>> flowers = Dataset("flowers", x, np.array([0, 1, 0, 1, 0, 1]), ("iris", "rose"))
    >>> flowers.mean_std()[0].shape
    (4,)
    """

    name: str
    images: np.ndarray
    labels: np.ndarray
    classes: tuple

    def __post_init__(self):
        check_array(self.name, "images", self.images, (np.uint8, np.float32, np.float64))
        self._check_shape()
        check_array(self.name, "labels", self.labels, (np.int64,))
        if self.labels.ndim != 1:
            raise ShapeError(f"{self.name}: labels has the shape {self.labels.shape}, expected 1 axes (N,): reshape it")
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
        if bad := 0 if self.is_uint8 else sum(int((~np.isfinite(chunk)).sum()) for chunk in self._chunks()):
            raise NumericError(
                f"{self.name}: {bad} of the {self.images.size} numbers in images are NaN or infinite, expected none: "
                "drop these examples, or fill the gaps"
            )

    def _check_shape(self):
        if self.is_uint8 and self.images.ndim != 4:
            raise ShapeError(
                f"{self.name}: images has the shape {self.images.shape}, expected 4 axes (N, C, H, W): reshape it; "
                "what is no image comes as floats"
            )
        if self.images.ndim < 2:
            raise ShapeError(
                f"{self.name}: images has the shape {self.images.shape}, expected 2 axes (N, D) or more: reshape it"
            )
        if self.images.ndim == 4 and is_channels_last(self.images.shape):
            raise ShapeError(
                f"{self.name}: images has the shape {self.images.shape}, which looks like (N, H, W, C), "
                "expected (N, C, H, W): images.transpose(0, 3, 1, 2)"
            )
        if self.images.size == 0:
            raise ShapeError(f"{self.name}: images of shape {self.images.shape} hold no pixel: give one image or more")

    def _chunks(self):
        return (self.images[start : start + CHUNK] for start in range(0, len(self), CHUNK))

    @property
    def is_uint8(self) -> bool:
        """Whether the numbers are bytes, 0 to 255, and not floats."""
        return self.images.dtype == np.uint8

    def __len__(self) -> int:
        return len(self.images)

    def subset(self, indices: slice | Array) -> "Dataset":
        """The data set of the images at ``indices``: a slice or an array of int, as NumPy indexes axis 0."""
        return Dataset(self.name, self.images[indices], self.labels[indices], self.classes)

    def mean_std(self) -> tuple[Array, Array]:
        """Mean and standard deviation of each channel (axis 1) over all images and pixels.

        Returns two float64 arrays (C,): of floats as they are, of uint8 for values in [0, 1]. Sums of uint8 run in
        integers, so the only rounding is that of the last division.
        """
        axes, count = (0, *range(2, self.images.ndim)), self.images.size // self.images.shape[1]
        if not self.is_uint8:
            mean = sum(chunk.sum(axes, np.float64) for chunk in self._chunks()) / count
            centre = mean.reshape(-1, *[1] * (self.images.ndim - 2))
            return mean, np.sqrt(sum(np.square(chunk - centre).sum(axes) for chunk in self._chunks()) / count)
        total = np.zeros(self.images.shape[1], np.int64)
        squares = np.zeros_like(total)
        for chunk in self._chunks():
            total += chunk.sum(axis=axes, dtype=np.int64)
            squares += np.square(chunk, dtype=np.int64).sum(axis=axes)
        variances = [(count * int(q) - int(s) ** 2) / count**2 for s, q in zip(total, squares)]
        return total / count / 255, np.sqrt(variances) / 255


def is_channels_last(shape):
    """Whether (N, A, B, C) is the shape of images with their channels at the end: one, three or four of them."""
    _, height, width, channels = shape
    return channels in (1, 3, 4) and min(height, width) > 4


def check_array(name, field, array, dtypes):
    if not isinstance(array, np.ndarray) or array.dtype not in dtypes:
        found, names = getattr(array, "dtype", type(array).__name__), " or ".join(t.__name__ for t in dtypes)
        raise DTypeError(f"{name}: {field} is {found}, expected a NumPy array of {names}: convert it")
