import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minires.data import CropFlip, CutMix, Dataset, Normalize
from minires.errors import RangeError, ShapeError

IMAGES = np.random.default_rng(0).integers(1, 256, (40, 3, 6, 5), np.uint8)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_normalize(dtype):
    mean, std = [0.1, 0.5, 0.9], [0.2, 0.3, 1.5]
    y = Normalize(mean, std)(IMAGES.transpose(0, 1, 3, 2), dtype)
    expected = np.empty(y.shape)
    for c in range(3):
        expected[:, c] = (IMAGES[:, c].transpose(0, 2, 1) / 255 - mean[c]) / std[c]
    np.testing.assert_allclose(y, expected, rtol=0, atol=50 * np.finfo(dtype).eps)
    assert y.dtype == dtype and y.flags.c_contiguous


def test_normalize_of_a_data_set():
    data = Dataset("x", IMAGES, np.zeros(40, np.int64), ("a",))
    y = Normalize.of(data)(IMAGES, np.float64)
    np.testing.assert_allclose(y.mean(axis=(0, 2, 3)), 0, atol=1e-13)
    np.testing.assert_allclose(y.std(axis=(0, 2, 3)), 1, rtol=1e-13)


@pytest.mark.parametrize(
    "mean, std, error",
    [
        ([0.5], [0.0], RangeError),
        ([0.5], [-1], RangeError),
        ([np.nan], [1], RangeError),
        ([0.5], [np.inf], RangeError),
        ([0.5, 0.5], [1], ShapeError),
        (0.5, 1, ShapeError),
    ],
)
def test_normalize_refuses(mean, std, error):
    with pytest.raises(error, match="Normalize: mean"):
        Normalize(mean, std)


def test_normalize_names_the_channels():
    with pytest.raises(ShapeError, match=r"\(40, 3, 6, 5\), expected 1 channels"):
        Normalize([0.5], [0.5])(IMAGES)


def naive(images, pad, flip, rng):
    """One image at a time, with the same draws."""
    n, c, h, w = images.shape
    top, left = rng.integers(0, 2 * pad + 1, size=(2, n))
    mirrored = rng.random(n) < 0.5
    out = np.zeros_like(images)
    for i in range(n):
        for y in range(h):
            for x in range(w):
                from_y, from_x = y + top[i] - pad, (w - 1 - x if flip and mirrored[i] else x) + left[i] - pad
                if 0 <= from_y < h and 0 <= from_x < w:
                    out[i, :, y, x] = images[i, :, from_y, from_x]
    return out


@given(seed=st.integers(0, 1000), pad=st.integers(0, 4), flip=st.booleans(), count=st.integers(1, 6))
def test_crop_and_flip(seed, pad, flip, count):
    before = IMAGES.copy()
    y = CropFlip(pad, flip)(IMAGES[:count], np.random.default_rng(seed))
    np.testing.assert_array_equal(y, naive(IMAGES[:count], pad, flip, np.random.default_rng(seed)), strict=True)
    np.testing.assert_array_equal(IMAGES, before)


def test_every_crop_and_both_sides_occur_equally_often():
    image = np.zeros((9000, 1, 3, 3), np.uint8)
    image[:, 0, 1, 1] = 255  # the centre shows the shift; with pad 1 it stays inside
    y = CropFlip(pad=1, flip=False)(image, np.random.default_rng(0))[:, 0]
    counts = y.astype(bool).sum(axis=0)
    assert counts.sum() == 9000 and counts.min() > 850 and counts.max() < 1150
    image[:, 0] = [[1, 0, 0]] * 3
    y = CropFlip(pad=0)(image, np.random.default_rng(0))[:, 0, 0]
    assert 4200 < y[:, 0].sum() < 4800 and (y[:, 0] + y[:, 2] == 1).all()


def test_no_padding_no_flip_changes_nothing():
    np.testing.assert_array_equal(CropFlip(0, False)(IMAGES, np.random.default_rng(0)), IMAGES)


def test_pad_below_zero():
    with pytest.raises(RangeError, match="pad is -1, expected an integer of 0 or more"):
        CropFlip(pad=-1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(5,), (5, 3), (5, 3, 4)], ids=str)
def test_normalize_floats_as_they_are(shape, dtype):
    """Without 1 / 255, and with all digits where the mean is far from 0."""
    x = np.random.default_rng(1).standard_normal((40, *shape)) * 3 + 1e6
    normalize = Normalize.of(Dataset("floats", x, np.zeros(40, np.int64), ("a",)))
    y = normalize(np.asfortranarray(x), dtype)
    assert y.dtype == dtype and y.flags.c_contiguous and y.shape == x.shape
    axes = (0, *range(2, x.ndim))
    expected = (x - x.mean(axes, keepdims=True)) / x.std(axes, keepdims=True)
    np.testing.assert_allclose(y, expected, atol=1e-5 if dtype == np.float32 else 1e-8)


@pytest.mark.parametrize("change", [CropFlip(), CropFlip(pad=0), CutMix(1.0, 2)], ids=str)
def test_changes_of_images_refuse_what_is_none(change):
    x, rng = np.zeros((4, 6)), np.random.default_rng(0)
    with pytest.raises(
        ShapeError, match=r"images have the shape \(4, 6\), expected \(B, C, H, W\): only images can be"
    ):
        change(x, rng) if isinstance(change, CropFlip) else change(x, np.zeros(4, int), rng)
