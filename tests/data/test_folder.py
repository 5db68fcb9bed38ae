import struct
import sys
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from minires.data import folder as folder_module
from minires.data import read_folder
from minires.errors import DataFileError, RangeError


def save(path, pixels, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)


def pixels(seed, height=5, width=4):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@pytest.fixture
def pets(tmp_path):
    for i, name in enumerate(("dog/b.png", "dog/a.png", "cat/1.bmp", "cat/2.ppm", "cat/.hidden", ".git/x")):
        if "/." in name or name[0] == ".":
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text("no image")
        else:
            save(tmp_path / name, pixels(i))
    (tmp_path / "README.txt").write_text("about the pets")
    return tmp_path


def test_sorted_classes_and_files(pets):
    images, labels, classes = read_folder(pets)
    assert classes == ("cat", "dog") and labels.tolist() == [0, 0, 1, 1] and labels.dtype == np.int64
    expected = np.stack([pixels(i).transpose(2, 0, 1) for i in (2, 3, 1, 0)])
    np.testing.assert_array_equal(images, expected, strict=True)


def test_resize(pets):
    save(pets / "dog" / "c.png", pixels(9, 10, 20))
    images, _, _ = read_folder(pets, size=(6, 8))
    assert images.shape == (5, 3, 6, 8)
    flat = np.full((30, 50, 3), 77, np.uint8)
    save(pets / "dog" / "d.png", flat)
    assert (read_folder(pets, size=(7, 3))[0][-1] == 77).all()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "YCbCr"])
def test_modes_become_rgb(tmp_path, mode):
    (tmp_path / "a").mkdir()
    picture = Image.fromarray(pixels(0)).convert(mode)
    picture.save(tmp_path / "a" / ("x.jpg" if mode in ("CMYK", "YCbCr") else "x.png"))
    assert read_folder(tmp_path)[0].shape == (1, 3, 5, 4)


def test_a_palette_with_transparency_gives_no_warning(tmp_path):
    (tmp_path / "a").mkdir()
    picture = Image.fromarray(pixels(0)).convert("P")
    picture.save(tmp_path / "a" / "x.png", transparency=bytes(range(256)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_folder(tmp_path)


def png_of_size(width, height):
    """A PNG whose header promises a size that its data do not have."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000)))
            + chunk(b"IEND", b""))


def good_png(tmp_path):
    save(tmp_path / "good.png", pixels(0))
    return (tmp_path / "good.png").read_bytes()


@pytest.mark.parametrize("make, words", [
    (lambda png: b"", "not a readable image"),
    (lambda png: b"text", "not a readable image"),
    (lambda png: png[: len(png) // 2], "not a readable image"),
    (lambda png: png[:40] + bytes(20) + png[60:], "not a readable image"),
    (lambda png: png_of_size(30000, 30000), "decompression bomb"),
    (lambda png: png_of_size(9000, 9000), "size (H, W) is (9000, 9000), expected at most"),
    (lambda png: png_of_size(400, 500), "not a readable image"),
    (lambda png: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a readable image"),
])
def test_broken_images_are_named(pets, tmp_path_factory, make, words):
    (pets / "dog" / "bad.png").write_bytes(make(good_png(tmp_path_factory.mktemp("good"))))
    with pytest.raises(DataFileError) as error:
        read_folder(pets)
    assert str(error.value).startswith(str(pets / "dog" / "bad.png")) and words in str(error.value)


def test_16_bits_are_refused_rather_than_clipped(tmp_path):
    save(tmp_path / "a" / "x.png", np.full((4, 4), 40000, np.uint16))
    with pytest.raises(DataFileError, match="mode is I(;16)?, expected one of"):
        read_folder(tmp_path)


def test_sizes_differ(pets):
    save(pets / "dog" / "c.png", pixels(9, 5, 7))
    words = r"c.png: size \(H, W\) is \(5, 7\), expected \(5, 4\) as in .*1.bmp.*size="
    with pytest.raises(DataFileError, match=words):
        read_folder(pets)


def test_a_folder_among_the_images(pets):
    (pets / "dog" / "puppies").mkdir()
    with pytest.raises(DataFileError, match="puppies: not a readable image"):
        read_folder(pets)


def test_missing_folders(tmp_path):
    with pytest.raises(DataFileError, match="no such folder"):
        read_folder(tmp_path / "nothing")
    with pytest.raises(DataFileError, match="no sub-folders"):
        read_folder(tmp_path)
    (tmp_path / "cat").mkdir()
    with pytest.raises(DataFileError, match="cat: the class holds no image"):
        read_folder(tmp_path)


def test_more_than_memory_holds(pets, monkeypatch):
    monkeypatch.setattr(folder_module, "MAX_BYTES", 200)
    with pytest.raises(DataFileError, match="size of 4 images of 5 x 4 is 240 bytes, expected at most 200 bytes"):
        read_folder(pets)
    assert read_folder(pets, size=(4, 4))[0].nbytes == 192


@pytest.mark.parametrize("size", [32, (32,), (0, 4), (2.5, 4), [4, 4]])
def test_size_is_checked(pets, size):
    with pytest.raises(RangeError, match="expected two positive integers"):
        read_folder(pets, size=size)


def test_without_pillow(pets, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(DataFileError, match=r"needs Pillow: pip install 'minires\[images\]'"):
        read_folder(pets)


def test_random_mutations(tmp_path):
    rng = np.random.default_rng(0)
    sources = []
    for name in ("a.png", "a.jpg", "a.gif", "a.bmp", "a.tif", "a.webp"):
        save(tmp_path / name, pixels(0, 12, 9))
        sources.append((tmp_path / name).read_bytes())
    path = tmp_path / "set" / "class" / "x"
    path.parent.mkdir(parents=True)
    for i in range(400):
        data = bytearray(sources[i % len(sources)])
        for _ in range(rng.integers(1, 6)):
            data[rng.integers(min(len(data), 200))] = rng.integers(256)
        path.write_bytes(data)
        try:
            assert read_folder(tmp_path / "set")[0].ndim == 4
        except DataFileError as error:
            assert "class" in str(error)
