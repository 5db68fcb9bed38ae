"""Mixup and CutMix against loops over images and pixels, and the distribution of their shares."""

import math

import numpy as np
import pytest

from minires.data import CutMix, Mixup
from minires.errors import RangeError

LABELS = np.array([0, 2, 1, 2, 0, 1])


def images(dtype=np.float32, size=(7, 5)):
    return np.random.default_rng(1).standard_normal((6, 3, *size)).astype(dtype)


def as_targets(label):
    return np.array([float(label == k) for k in range(3)])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("seed", range(5))
def test_mixup_by_hand(seed, dtype):
    x = images(dtype)
    found, targets = Mixup(0.7, 3)(x, LABELS, np.random.default_rng(seed))
    rng = np.random.default_rng(seed)
    share, pair = rng.beta(0.7, 0.7), rng.permutation(6)
    for n in range(6):
        np.testing.assert_allclose(found[n], share * x[n] + (1 - share) * x[pair[n]], rtol=1e-5, atol=1e-6)
        expected = share * as_targets(LABELS[n]) + (1 - share) * as_targets(LABELS[pair[n]])
        np.testing.assert_allclose(targets[n], expected, rtol=1e-6)
    assert found.dtype == targets.dtype == dtype
    np.testing.assert_array_equal(x, images(dtype))


@pytest.mark.parametrize("size", [(7, 5), (1, 1), (32, 32)])
@pytest.mark.parametrize("seed", range(8))
def test_every_pixel_of_cutmix_comes_from_one_of_two_images_in_a_box(seed, size):
    x = images(size=size)
    found, targets = CutMix(1.0, 3)(x, LABELS, np.random.default_rng(seed))
    pair = np.random.default_rng(seed).permutation(6)
    other = (found != x).any(axis=(0, 1))  # where any image has changed
    np.testing.assert_array_equal(found, np.where(other, x[pair], x))
    rows, columns = np.flatnonzero(other.any(axis=1)), np.flatnonzero(other.any(axis=0))
    assert other.sum() == len(rows) * len(columns), "a box"
    share = 1 - other.mean()
    for n in range(6):
        expected = share * as_targets(LABELS[n]) + (1 - share) * as_targets(LABELS[pair[n]])
        np.testing.assert_allclose(targets[n], expected, rtol=1e-6, atol=1e-7)
    np.testing.assert_array_equal(x, images(size=size))


def test_the_box_has_the_area_of_its_share_where_it_does_not_meet_the_border():
    """Share p leaves a box of H sqrt(1 - p) rows; its centre is uniform, so the border cuts some."""
    x, inside = np.zeros((2, 1, 100, 80), np.float32), 0
    x[1] = 1
    for seed in range(200):
        found, _ = CutMix(1.0, 3)(x, LABELS[:2], np.random.default_rng(seed))
        rng = np.random.default_rng(seed)
        pair, side = rng.permutation(2), math.sqrt(1 - rng.beta(1.0, 1.0))
        box = np.argwhere(found[0, 0] == 1) if pair[0] == 1 else np.zeros((0, 2))
        if len(box) and box.min() > 0 and (box.max(axis=0) < (99, 79)).all():
            assert len(box) == int(100 * side) * int(80 * side)
            inside += 1
    assert inside > 10


@pytest.mark.parametrize("kind", [Mixup, CutMix])
def test_shares_of_the_labels_add_up_to_one(kind):
    for seed in range(20):
        targets = kind(0.3, 3)(images(), LABELS, np.random.default_rng(seed))[1]
        np.testing.assert_allclose(targets.sum(axis=1), 1, rtol=1e-6)
        assert (targets >= 0).all()


@pytest.mark.parametrize("kind", [Mixup, CutMix])
def test_a_single_image_stays(kind):
    x, targets = kind(1.0, 3)(images()[:1], LABELS[:1], np.random.default_rng(0))
    np.testing.assert_allclose(x, images()[:1], rtol=1e-6)
    np.testing.assert_allclose(targets, [[1, 0, 0]], rtol=1e-6)


@pytest.mark.parametrize("kind", [Mixup, CutMix])
@pytest.mark.parametrize("alpha", [0, -1.0, math.inf, math.nan])
def test_refused(kind, alpha):
    with pytest.raises(RangeError, match=f"{kind.__name__}: alpha is .*, expected a finite number above 0"):
        kind(alpha, 3)
