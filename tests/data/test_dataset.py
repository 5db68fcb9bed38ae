import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from minires.data import Dataset
from minires.errors import DTypeError, NumericError, RangeError, ShapeError

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 3, 5, 4), np.uint8)
LABELS = np.array([0, 1, 2, 0, 1, 2])
CLASSES = ("cat", "dog", "ship")


@pytest.mark.parametrize(
    "parts, error, words",
    [
        (dict(images=IMAGES.astype(int)), DTypeError, "images is int64, expected .* of uint8 or float32 or float64"),
        (dict(images=IMAGES.astype(np.float16)), DTypeError, "images is float16, expected .* of uint8 or float32"),
        (dict(images=IMAGES[:, 0, 0] / 7 * np.inf), NumericError, "of the 24 numbers in images are NaN or infinite"),
        (dict(images=np.full((6, 2), np.nan)), NumericError, "12 of the 12 numbers in images are NaN or infinite"),
        (dict(images=np.zeros(6)), ShapeError, r"images has the shape \(6,\), expected 2 axes \(N, D\) or more"),
        (dict(images=np.zeros((6, 0))), ShapeError, "hold no pixel"),
        (dict(images=np.zeros((6, 9, 8, 3))), ShapeError, "which looks like .N, H, W, C."),
        (dict(images=IMAGES.tolist()), DTypeError, "images is list"),
        (dict(images=IMAGES[:, 0]), ShapeError, r"images has the shape \(6, 5, 4\), expected 4 axes \(N, C, H, W\)"),
        (dict(images=IMAGES[:0], labels=LABELS[:0]), ShapeError, "hold no pixel"),
        (dict(images=IMAGES[:, :0]), ShapeError, "hold no pixel"),
        (dict(labels=LABELS.astype(np.uint8)), DTypeError, "labels is uint8, expected a NumPy array of int64"),
        (dict(labels=LABELS[:, None]), ShapeError, "expected 1 axes"),
        (dict(labels=LABELS[:5]), ShapeError, "6 images .axis 0. have 5 labels"),
        (dict(labels=LABELS - 1), RangeError, "labels lie in -1 to 1, the 3 classes allow 0 to 2"),
        (dict(classes=CLASSES[:2]), RangeError, "labels lie in 0 to 2, the 2 classes allow 0 to 1"),
        (dict(classes=list(CLASSES)), DTypeError, "classes is not a tuple of str"),
        (dict(classes=(0, 1, 2)), DTypeError, "classes is not a tuple of str"),
    ],
)
def test_parts_must_fit(parts, error, words):
    good = dict(name="pets", images=IMAGES, labels=LABELS, classes=CLASSES)
    assert len(Dataset(**good)) == 6
    with pytest.raises(error, match=f"pets: .*{words}"):
        Dataset(**good | parts)


def test_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Dataset("pets", IMAGES, LABELS, CLASSES).images = None


def test_subset():
    part = Dataset("pets", IMAGES, LABELS, CLASSES).subset([4, 1])
    np.testing.assert_array_equal(part.images, IMAGES[[4, 1]])
    assert part.labels.tolist() == [1, 1] and part.classes == CLASSES and part.name == "pets"


@given(images=arrays(np.uint8, st.tuples(st.integers(1, 5), st.integers(1, 3), st.integers(1, 4), st.integers(1, 4))))
def test_mean_std(images):
    mean, std = Dataset("x", images, np.zeros(len(images), np.int64), ("a",)).mean_std()
    values = images.astype(np.float64) / 255
    np.testing.assert_allclose(mean, values.mean(axis=(0, 2, 3)), rtol=1e-14)
    np.testing.assert_allclose(std, values.std(axis=(0, 2, 3)), rtol=1e-12, atol=1e-14)


SHAPES = [(7,), (3, 5), (2, 4, 4), (1, 2, 3, 2)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_floats_of_any_shape(shape, dtype):
    """Axis 1 has a mean and a deviation each, in the units of the numbers, also far from 0 and over several chunks."""
    x = (np.random.default_rng(0).standard_normal((2345, *shape)) + 1e4).astype(dtype)
    found = Dataset("floats", x, np.arange(2345) % 3, CLASSES)
    axes = (0, *range(2, x.ndim))
    mean, std = found.mean_std()
    assert mean.dtype == std.dtype == np.float64 and mean.shape == (shape[0],)
    np.testing.assert_allclose(mean, x.mean(axes, dtype=np.float64), rtol=1e-14)
    np.testing.assert_allclose(std, x.std(axes, dtype=np.float64), rtol=1e-10)
    assert found.subset(slice(4)).images.shape == (4, *shape) and not found.is_uint8


def test_mean_std_over_several_chunks():
    images = np.random.default_rng(1).integers(0, 256, (2345, 2, 3, 3), np.uint8)
    images[:, 1] = 200
    mean, std = Dataset("x", images, np.zeros(2345, np.int64), ("a",)).mean_std()
    np.testing.assert_allclose(mean, images.mean(axis=(0, 2, 3)) / 255, rtol=1e-12)
    np.testing.assert_allclose(std[0], images[:, 0].std() / 255, rtol=1e-12)
    assert std[1] == 0, "integer sums leave no rounding for a constant channel"


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_channels_at_the_end(channels):
    images = np.zeros((6, 8, 9, channels), np.uint8)
    with pytest.raises(ShapeError) as error:
        Dataset("pets", images, LABELS, CLASSES)
    assert str(error.value) == (
        f"pets: images has the shape (6, 8, 9, {channels}), which looks like (N, H, W, C), "
        "expected (N, C, H, W): images.transpose(0, 3, 1, 2)"
    )
    assert Dataset("pets", images.transpose(0, 3, 1, 2), LABELS, CLASSES).images.shape == (6, channels, 8, 9)


@pytest.mark.parametrize("shape", [(3, 8, 3), (3, 3, 3), (1, 1, 1), (4, 4, 4), (5, 8, 2), (16, 4, 3), (5, 9, 5)])
def test_other_shapes_are_as_they_say(shape):
    assert Dataset("pets", np.zeros((6, *shape), np.uint8), LABELS, CLASSES).images.shape[1:] == shape
