"""Batches as bytes: a GPU crops, mirrors and normalises them itself, by the decisions of the host."""

from dataclasses import dataclass

import numpy as np

from minires.backend import Array, DType
from minires.data.augment import CropFlip, Normalize


@dataclass(frozen=True)
class RawBatch:
    """Images before :class:`CropFlip` and :class:`Normalize`, with what was drawn for each.

    images: (B, C, H, W) uint8   pad, top, left, mirrored: see :meth:`CropFlip.draw`
    """

    images: Array
    normalize: Normalize
    pad: int
    top: Array
    left: Array
    mirrored: Array

    @classmethod
    def of(cls, images: Array, normalize: Normalize, augment: CropFlip | None, rng: np.random.Generator) -> "RawBatch":
        """Draw for ``images`` what ``augment`` would; without it nothing moves."""
        if augment is None:
            nothing = np.zeros(len(images), np.int64)
            return cls(images, normalize, 0, nothing, nothing, np.zeros(len(images), bool))
        return cls(images, normalize, augment.pad, *augment.draw(images, rng))

    def __len__(self) -> int:
        return len(self.images)

    def floats(self, dtype: DType = np.float32) -> Array:
        """(B, C, H, W), as a :class:`Loader` would have made it."""
        cropped = CropFlip(self.pad).apply(self.images, self.top, self.left, self.mirrored)
        return self.normalize(cropped, dtype)
