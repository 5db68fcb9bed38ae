"""Batches as bytes: what the loader would have made of them, bit for bit."""

import numpy as np
import pytest

from minires.data import CropFlip, CutMix, Dataset, Loader, Normalize, RawBatch

RNG = np.random.default_rng(0)
DATA = Dataset("own", RNG.integers(0, 256, (11, 3, 6, 7), np.uint8), RNG.integers(0, 2, 11), ("a", "b"))
AUGMENT = {"none": None, "crop": CropFlip(2, flip=False), "flip": CropFlip(0), "crop-flip": CropFlip()}


def loader(augment, **settings):
    return Loader(DATA, 4, seed=3, shuffle=True, augment=augment, normalize=Normalize.of(DATA), **settings)


@pytest.mark.parametrize("augment", AUGMENT)
def test_raw_batches_become_those_of_the_loader_bit_for_bit(augment):
    raw, whole = (list(loader(AUGMENT[augment], raw=raw).epoch(1)) for raw in (True, False))
    for (x, labels), (expected, expected_labels) in zip(raw, whole, strict=True):
        assert isinstance(x, RawBatch) and x.images.dtype == np.uint8 and len(x) == len(expected)
        np.testing.assert_array_equal(x.floats(), expected, strict=True)
        assert np.array_equal(labels, expected_labels)


@pytest.mark.parametrize(
    "settings",
    [
        {"augment": lambda images, rng: images},
        {"augment": None, "mix": CutMix(1.0, 2)},
        {"augment": None, "dtype": np.float64},
    ],
    ids=["an augmentation of the user", "mixed", "float64"],
)
def test_what_has_more_to_be_done_to_it_is_no_raw_batch(settings):
    x, _ = next(loader(**settings, raw=True).epoch(0))
    assert isinstance(x, np.ndarray)


def test_floats_are_no_raw_batch():
    floats = Dataset("own", DATA.images.astype(np.float32), DATA.labels, DATA.classes)
    batches = Loader(floats, 4, seed=0, shuffle=False, normalize=Normalize.of(floats), raw=True)
    assert isinstance(next(batches.epoch(0))[0], np.ndarray)
