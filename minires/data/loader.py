"""Batches in an order that depends on seed, epoch and batch number alone, prepared ahead by one thread."""

import sys
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from minires.backend import Array, DType
from minires.data.augment import CropFlip, Normalize
from minires.data.dataset import Dataset
from minires.data.raw import RawBatch
from minires.errors import DTypeError, RangeError
from minires.layers.checks import is_integer


class Loader:
    """Batches of a data set.

    seed: int; every random decision derives from (seed, epoch, batch number), so a resumed run sees the same bits.
    shuffle: a new order each epoch, for training. augment: ``f(images, rng) -> images``, before all else, or None.
    normalize: ``f(images, dtype) -> x``, such as :class:`Normalize`; None: uint8 in [0, 1], floats as they are.
    mix: ``f(x, labels, rng) -> (x, targets)``, such as :class:`Mixup`; None: images and labels as they are.
    dtype: of x, float32 or float64. raw: x is a :class:`RawBatch` where no more is to be done to it: images of bytes,
    CropFlip or nothing as ``augment``, Normalize, no ``mix``, float32.
    drop_last: leave out the last batch where it is smaller than the others.
    prefetch: batches prepared ahead of the one in use; 0: none, and no thread.
    Raises RangeError, and DTypeError for a dtype that is not one of the two.
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int,
        *,
        seed: int,
        shuffle: bool,
        augment: Callable[[Array, np.random.Generator], Array] | None = None,
        normalize: Callable[[Array, Any], Array] | None = None,
        mix: Callable[[Array, Array, np.random.Generator], tuple[Array, Array]] | None = None,
        dtype: DType = np.float32,
        raw: bool = False,
        drop_last: bool = False,
        prefetch: int = 2,
    ) -> None:
        self.dataset = dataset
        self.batch_size = at_least("batch_size", batch_size, 1)
        self.seed = at_least("seed", seed, 0)
        self.prefetch = at_least("prefetch", prefetch, 0)
        self.shuffle = shuffle
        self.augment = augment
        self.normalize = normalize or to_unit_interval
        self.mix = mix
        self.dtype = np.dtype(dtype)
        self.raw = raw and self._can_be_raw()
        self.drop_last = drop_last
        if self.dtype not in (np.float32, np.float64):
            raise DTypeError(f"Loader: dtype is {self.dtype}, expected float32 or float64: convert on the device")
        if len(self) == 0:
            raise RangeError(
                f"Loader: the {len(dataset)} images of {dataset.name} in batches of {batch_size} give no "
                "batch with drop_last=True: take a smaller batch_size"
            )

    def __len__(self) -> int:
        """Number of batches in an epoch."""
        full, rest = divmod(len(self.dataset), self.batch_size)
        return full + (rest > 0 and not self.drop_last)

    def _can_be_raw(self):
        images = self.dataset.images
        plain = type(self.augment) in (CropFlip, type(None)) and type(self.normalize) is Normalize and self.mix is None
        return plain and images.dtype == np.uint8 and images.ndim == 4 and self.dtype == np.float32

    def epoch(self, epoch: int, start: int = 0) -> Iterator[tuple[Array, Array]]:
        """Iterate over the batches ``start``, ``start`` + 1, … of an epoch.

        Yields ``(x, labels)``: x (B, C, H, W), or (B, ...) like the floats of the data set, of the loader's dtype,
        C-contiguous; labels (B,) int64, or the targets (B, K) that ``mix`` makes of them. What an exception in the
        background raises, the iterator raises. Leaving the loop early ends the thread when the iterator is closed or
        forgotten.
        """
        at_least("epoch", epoch, 0)
        if not 0 <= start <= len(self):
            raise RangeError(
                f"Loader: start is {start}, expected 0 to {len(self)}, the batches of an epoch: "
                "resume with the batch_size and drop_last of the interrupted run"
            )
        return self._batches(epoch, start)

    def _batches(self, epoch, start):
        order = self._order(epoch)
        if self.prefetch == 0 or sys.platform == "emscripten":  # a browser has no threads
            for index in range(start, len(self)):
                yield self._batch(order, epoch, index)
            return
        waiting = deque()
        pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="minires-loader")
        try:
            for index in range(start, len(self)):
                waiting.append(pool.submit(self._batch, order, epoch, index))
                if len(waiting) > self.prefetch:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)

    def _order(self, epoch):
        count = len(self.dataset)
        return np.random.default_rng([self.seed, epoch]).permutation(count) if self.shuffle else np.arange(count)

    def _batch(self, order, epoch, index):
        rows = order[index * self.batch_size : (index + 1) * self.batch_size]
        images, labels = self.dataset.images[rows], self.dataset.labels[rows]
        # + 1, since numpy.random.SeedSequence takes [seed, epoch, 0] for [seed, epoch], the seed of the order
        rng = np.random.default_rng([self.seed, epoch, index + 1])
        if self.raw:
            return RawBatch.of(images, self.normalize, self.augment, rng), labels
        if self.augment is not None:
            images = self.augment(images, rng)
        x = self.normalize(images, self.dtype)
        return (x, labels) if self.mix is None else self.mix(x, labels, rng)


def to_unit_interval(images, dtype):
    """images uint8 -> values in [0, 1]; floats as they are."""
    if images.dtype != np.uint8:
        return np.array(images, dtype, order="C")
    return np.divide(images, 255, dtype=dtype, order="C")


def at_least(name, value, low):
    if not is_integer(value) or value < low:
        raise RangeError(f"Loader: {name} is {value!r}, expected an integer of {low} or more: correct it")
    return int(value)
