"""From bytes to what a network is fed: normalisation, and random changes that keep the class of an image."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from minires.backend import Array, DType
from minires.data.dataset import Dataset
from minires.errors import RangeError, ShapeError
from minires.layers.checks import is_integer


class Normalize:
    """``y = (x / 255 - mean) / std`` for each channel; of floats ``y = (x - mean) / std``.

    mean, std: (C,), of uint8 in units of [0, 1]. Take them from the training split for every split:
    ``Normalize.of(train)``.
    Raises ShapeError where they do not fit together, RangeError for a std that is not positive and finite.
    """

    def __init__(self, mean: Sequence[float] | Array, std: Sequence[float] | Array) -> None:
        self.mean, self.std = np.asarray(mean, np.float64), np.asarray(std, np.float64)
        if self.mean.ndim != 1 or self.mean.shape != self.std.shape:
            raise ShapeError(
                f"Normalize: mean has the shape {self.mean.shape} and std {self.std.shape}, expected (C,) "
                "twice: give one number a channel"
            )
        if not (np.isfinite(self.mean).all() and np.isfinite(self.std).all() and (self.std > 0).all()):
            raise RangeError(
                f"Normalize: mean is {self.mean} and std {self.std}, expected finite numbers and std > 0: "
                "a channel that is the same everywhere carries nothing; drop it"
            )

    @classmethod
    def of(cls, dataset: Dataset) -> Self:
        """Normalise by the mean and standard deviation of ``dataset``."""
        return cls(*dataset.mean_std())

    def __call__(self, images: Array, dtype: DType = np.float32) -> Array:
        """images: (B, C, ...), uint8 or floats. Returns the same shape of ``dtype``, C-contiguous."""
        if images.ndim < 2 or images.shape[1] != len(self.mean):
            raise ShapeError(
                f"Normalize: images have the shape {images.shape}, expected {len(self.mean)} channels "
                "(axis 1): normalise with the mean and std of this data set"
            )
        axes = (-1, *[1] * (images.ndim - 2))
        if images.dtype != np.uint8:  # a mean far from 0 would take the digits of float32
            return np.array((images - self.mean.reshape(axes)) / self.std.reshape(axes), dtype, order="C")
        scale, shift = self.factors(dtype)
        y = np.multiply(images, scale.reshape(axes), dtype=dtype, order="C")
        y += shift.reshape(axes)
        return y

    def factors(self, dtype: DType = np.float32) -> tuple[Array, Array]:
        """scale, shift (C,) of uint8: y = scale x + shift, each of the two rounded to ``dtype``."""
        return (1 / (255 * self.std)).astype(dtype), (-self.mean / self.std).astype(dtype)


@dataclass(frozen=True)
class CropFlip:
    """Random crop after padding, and random horizontal flip (He et al. 2015, arXiv:1512.03385, section 4.2).

    pad: pixels of zeros (black) put on each side of the raw image before a crop of the original size is drawn.
    flip: whether each image is mirrored with probability 1/2.
    """

    pad: int = 4
    flip: bool = True

    def __post_init__(self):
        if not is_integer(self.pad) or self.pad < 0:
            expected = "an integer of 0 or more: give the pixels added on each side"
            raise RangeError(f"CropFlip: pad is {self.pad!r}, expected {expected}")

    def __call__(self, images: Array, rng: np.random.Generator) -> Array:
        """images: (B, C, H, W), left as they are; rng: numpy.random.Generator. Returns (B, C, H, W) of their type."""
        return self.apply(images, *self.draw(images, rng))

    def draw(self, images: Array, rng: np.random.Generator) -> tuple[Array, Array, Array]:
        """top, left (B,): where each crop begins in the padded image; mirrored (B,): whether it is mirrored then."""
        count, *_ = check_images(self, images)
        top, left = rng.integers(0, 2 * self.pad + 1, size=(2, count))
        return top, left, (rng.random(count) < 0.5) & self.flip

    def apply(self, images: Array, top: Array, left: Array, mirrored: Array) -> Array:
        """What :meth:`draw` has drawn, done: (B, C, H, W) of the type of ``images``."""
        count, height, width = check_images(self, images)
        sides = (self.pad, self.pad)
        padded = np.pad(images, ((0, 0), (0, 0), sides, sides))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (height, width), axis=(2, 3))
        cropped = windows[np.arange(count), :, top, left]
        if mirrored.any():
            cropped[mirrored] = cropped[mirrored, :, :, ::-1]
        return cropped


def check_images(change, images):
    """(B, H, W) of images; ShapeError of the random ``change`` for what is none."""
    if images.ndim != 4:
        raise ShapeError(
            f"{type(change).__name__}: images have the shape {images.shape}, expected (B, C, H, W): only images can be "
            "cropped, mirrored or cut; leave the change out"
        )
    count, _, height, width = images.shape
    return count, height, width
