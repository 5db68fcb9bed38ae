"""One picture: upright, on white, scaled and cut."""

import numpy as np
import pytest
from PIL import Image

from minires.data.picture import read_image

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 9, 3), np.uint8)
# How a camera turns the upright picture before it stores it with this orientation (EXIF 2.3, tag 0x0112)
STORED = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, 1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a, -1),
}


@pytest.mark.parametrize("kind", ["png", "webp", "tif"])
@pytest.mark.parametrize("orientation", STORED)
def test_exif_orientation(tmp_path, orientation, kind):
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if kind == "webp" else {}
    stored = Image.fromarray(np.ascontiguousarray(STORED[orientation](PIXELS)))
    stored.save(tmp_path / f"x.{kind}", exif=exif, **options)
    np.testing.assert_array_equal(read_image(tmp_path / f"x.{kind}"), PIXELS, strict=True)


def test_exif_of_a_jpeg(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    grey = np.zeros((8, 16, 3), np.uint8)
    grey[:, :8] = 255  # the left half: after a turn to the right the upper one
    Image.fromarray(grey).save(tmp_path / "x.jpg", exif=exif, quality=100)
    found = read_image(tmp_path / "x.jpg")
    assert found.shape == (16, 8, 3) and found[:7].min() > 250 and found[9:].max() < 5


@pytest.mark.parametrize("orientation", [0, 9, 77])
def test_an_orientation_that_does_not_exist_means_nothing(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(PIXELS).save(tmp_path / "x.png", exif=exif)
    np.testing.assert_array_equal(read_image(tmp_path / "x.png"), PIXELS)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA", "P"])
@pytest.mark.parametrize("alpha", [0, 100, 255])
def test_transparent_pixels_lie_on_white(tmp_path, mode, alpha):
    """c' = alpha c + (1 - alpha) 255, whatever colour is hidden."""
    colour = {"LA": (40, 40, 40)}.get(mode, (250, 10, 40))
    if mode == "LA":
        image, kind = Image.fromarray(np.full((4, 5, 2), (40, alpha), np.uint8), "LA"), "png"
    elif mode == "RGBA":
        image, kind = Image.fromarray(np.full((4, 5, 4), (*colour, alpha), np.uint8), "RGBA"), "png"
    else:
        image, kind = Image.new("P", (5, 4), 1), "png"
        image.putpalette([0, 0, 0, *colour])
    options = {"transparency": bytes([255, alpha])} if mode in ("P", "PA") else {}
    image.save(tmp_path / f"x.{kind}", **options)
    found = read_image(tmp_path / f"x.{kind}")
    expected = np.round((alpha * np.array(colour) + (255 - alpha) * 255.0) / 255)
    assert found.shape == (4, 5, 3) and np.abs(found - expected).max() <= 1


def test_one_colour_may_be_the_transparent_one(tmp_path):
    image = Image.fromarray(np.array([[[9, 9, 9], [50, 60, 70]]], np.uint8))
    image.save(tmp_path / "x.png", transparency=(9, 9, 9))
    assert read_image(tmp_path / "x.png").tolist() == [[[255, 255, 255], [50, 60, 70]]]


@pytest.mark.parametrize("kind", ["gif", "png", "webp"])
def test_the_first_image_of_an_animation(tmp_path, kind):
    frames = [Image.fromarray(np.full((8, 8, 3), value, np.uint8)) for value in (10, 200)]
    options = {"lossless": True} if kind == "webp" else {}
    frames[0].save(tmp_path / f"x.{kind}", save_all=True, append_images=frames[1:], **options)
    assert (read_image(tmp_path / f"x.{kind}") == 10).all()


@pytest.mark.parametrize("shape", [(40, 80), (80, 40), (40, 40), (10, 20), (7, 100)])
@pytest.mark.parametrize("size", [(20, 20), (30, 15)])
def test_scaled_to_cover_and_cut_in_the_middle(tmp_path, shape, size):
    """A picture whose values are its coordinates: the middle stays the middle, and both axes have one scale."""
    (height, width), (rows, columns) = shape, size
    grid = np.zeros((height, width, 3), np.uint8)
    grid[..., 0], grid[..., 1] = np.arange(height)[:, None] * 2, np.arange(width) * 2
    Image.fromarray(grid).save(tmp_path / "x.png")
    found = read_image(tmp_path / "x.png", size).astype(float)
    assert found.shape == (rows, columns, 3)
    step = min(height / rows, width / columns)
    for axis, (length, count) in enumerate(((height, rows), (width, columns))):
        line = found[..., axis].mean(axis=1 - axis)
        places = (length - 1) / 2 + step * (np.arange(count) - (count - 1) / 2)
        inner = (places > step) & (places < length - 1 - step)  # scaling mixes pixels that the border lacks
        np.testing.assert_allclose(line[inner], 2 * places[inner], atol=1.5)


def test_turned_before_it_is_cut(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(PIXELS).save(tmp_path / "x.png", exif=exif)
    Image.fromarray(np.ascontiguousarray(np.rot90(PIXELS, -1))).save(tmp_path / "y.png")
    np.testing.assert_array_equal(read_image(tmp_path / "x.png", (4, 4)), read_image(tmp_path / "y.png", (4, 4)))
