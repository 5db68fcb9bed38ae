"""The pictures that the networks of the laboratory learn: of those that come with minires, small ones."""

import base64
import functools
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..backend import Array
from ..data import Dataset, Loader, Normalize, load

BATCH, PROBE, SHOWN = 32, 32, 10


class Pictures:
    """A data set by its name in :data:`minires.lab.choices.DATA`, as endless batches, and a fixed batch to look with.

    digits: 1,437 of 8 x 8 pixels   clothes: 10,000 of 14 x 14, each pixel the mean of 2 x 2
    probe: (x, labels) of pictures that are not for training, one class after the other   seed: of the order
    """

    def __init__(self, name: str, seed: int) -> None:
        self.name = name
        train, test = (_load(name, split) for split in ("train", "test"))
        normalize = Normalize.of(train)
        by_class = np.argsort(_turn(test.labels), kind="stable")
        self.shown = test.subset(by_class[:SHOWN])
        probe = test.subset(by_class[:PROBE])
        self.probe = normalize(probe.images), probe.labels
        self._loader = Loader(train, BATCH, seed=seed, shuffle=True, normalize=normalize, drop_last=True, prefetch=0)
        self._batches = self._endless()

    def _endless(self) -> Iterator[tuple[Array, Array]]:
        epoch = 0
        while True:
            yield from self._loader.epoch(epoch)
            epoch += 1

    def batch(self) -> tuple[Array, Array]:
        """The next (x, labels)."""
        return next(self._batches)

    def about(self) -> dict[str, Any]:
        """For the page: the shape of a picture, and one of each class with its name; 0 is black, in base 64."""
        images = [base64.b64encode(image.tobytes()).decode() for image in self.shown.images]
        names = [self.shown.classes[label] for label in self.shown.labels]
        return {"name": self.name, "shape": list(self.shown.images.shape[2:]), "images": images, "names": names}


@functools.cache
def _load(name, split):
    if name == "digits":
        return load("digits", split)
    clothes = load("fashion_mnist_12k", split)
    n, c, h, w = clothes.images.shape
    halves = clothes.images.reshape(n, c, h // 2, 2, w // 2, 2).mean(axis=(3, 5)).round().astype(np.uint8)
    return Dataset(name, halves, clothes.labels, clothes.classes)


def _turn(labels):
    """How many of its class come before each label: sorted by it, the classes take turns."""
    turn, seen = np.empty_like(labels), {}
    for i, label in enumerate(labels.tolist()):
        turn[i] = seen[label] = seen.get(label, -1) + 1
    return turn * (labels.max() + 1) + labels
