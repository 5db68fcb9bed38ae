import shutil
import struct
import sys
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from minires.data import folder as folder_module
from minires.data import load, read_folder
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
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


def good_png(tmp_path):
    save(tmp_path / "good.png", pixels(0))
    return (tmp_path / "good.png").read_bytes()


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda png: b"", "is an empty file, expected a picture (PNG, JPEG, "),
        (lambda png: b"text", "is text, expected a picture"),
        (lambda png: b"<html>404", "is a web page, expected a picture"),
        (lambda png: b"\0\0\0\x18ftypheic" + bytes(50), "is a HEIF picture, as phones take them, expected a picture"),
        (lambda png: bytes(range(200, 255)), "not a readable image"),
        (lambda png: png[: len(png) // 2], "not a readable image"),
        (lambda png: png[:40] + bytes(20) + png[60:], "not a readable image"),
        (lambda png: png_of_size(30000, 30000), "decompression bomb"),
        (lambda png: png_of_size(9000, 9000), "size (H, W) is (9000, 9000), expected at most"),
        (lambda png: png_of_size(400, 500), "not a readable image"),
        (lambda png: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "is a PostScript file"),
    ],
)
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
    with pytest.raises(DataFileError) as error:
        read_folder(pets)
    assert str(error.value) == (
        f"{pets}: the images have 2 sizes (H x W), expected one: 5 x 4: 4, such as {pets / 'cat' / '1.bmp'}; 5 x 7: 1, "
        f"such as {pets / 'dog' / 'c.png'}: give all images one size, or cut them to one: size=64 in Python, --image "
        "64 on the command line"
    )


def test_a_folder_among_the_images(pets):
    (pets / "dog" / "puppies").mkdir()
    with pytest.raises(DataFileError, match="puppies is a folder, expected a picture: move its pictures"):
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


@pytest.mark.parametrize("size", [0, (32,), (0, 4), (2.5, 4), [4, 4], True, (True, 4), "8"])
def test_size_is_checked(pets, size):
    with pytest.raises(RangeError, match="expected a positive integer, or two of them"):
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


def write_class(folder, count, start=0):
    for i in range(count):
        save(folder / f"{i}.png", pixels(start + i))


@pytest.fixture
def zoo(tmp_path):
    for label, name in enumerate(("ape", "bat", "cow")):
        write_class(tmp_path / "train" / name, 3, 10 * label)
        write_class(tmp_path / "test" / name, 2, 100 + 10 * label)
    return tmp_path


@pytest.mark.parametrize("junk", ["Thumbs.db", "thumbs.db", "desktop.ini", "Desktop.ini", ".DS_Store", "._0.png"])
def test_what_systems_leave_in_folders_is_passed_over(zoo, junk):
    for place in ("train/ape", "train", "test/bat", "."):
        (zoo / place / junk).write_bytes(b"no picture")
    for place in ("train/__MACOSX/ape", "__MACOSX/train", "train/ape/__MACOSX", "train/.ipynb_checkpoints"):
        (zoo / place).mkdir(parents=True)
        (zoo / place / "._0.png").write_bytes(b"no picture")
    assert len(load("folder", "train", zoo)) == 9 and len(load("folder", "test", zoo)) == 6


def test_all_bad_files_are_listed_at_once(zoo):
    for i in range(3):
        (zoo / "train" / "bat" / f"bad{i}.jpg").write_bytes(b"<html>")
    (zoo / "train" / "cow" / "more").mkdir()
    save(zoo / "train" / "cow" / "wide.png", pixels(0, 5, 9))
    with pytest.raises(DataFileError) as error:
        load("folder", "train", zoo)
    lines = str(error.value).splitlines()
    assert lines[0] == f"{zoo}: 5 faults, expected none:" and len(lines) == 6
    assert "2 sizes (H x W), expected one: 5 x 4: 9" in lines[1] and "--image 64" in lines[1]
    assert [f"bad{i}.jpg is a web page" in lines[2 + i] for i in range(3)] == [True] * 3
    assert "more is a folder" in lines[5]


def test_the_list_is_bounded(zoo):
    for i in range(50):
        (zoo / "train" / "bat" / f"bad{i}.jpg").write_bytes(b"")
    with pytest.raises(DataFileError) as error:
        load("folder", "train", zoo)
    lines = str(error.value).splitlines()
    assert "50 faults" in lines[0] and len(lines) == 22 and lines[-1] == "  and 30 more"


@pytest.mark.parametrize("name", ["test", "val", "valid", "validation"])
def test_names_of_the_test_folder(zoo, name):
    (zoo / "test").rename(zoo / name)
    assert len(load("folder", "test", zoo)) == 6


def test_test_wins_over_val(zoo):
    write_class(zoo / "val" / "ape", 1)
    assert len(load("folder", "test", zoo)) == 6


@pytest.mark.parametrize("kind", ["missing", "empty", ".gitkeep", "Thumbs.db"])
def test_a_class_without_test_images(zoo, kind):
    shutil.rmtree(zoo / "test" / "bat")
    if kind != "missing":
        (zoo / "test" / "bat").mkdir()
    if kind not in ("missing", "empty"):
        (zoo / "test" / "bat" / kind).write_text("")
    found = load("folder", "test", zoo)
    assert found.classes == ("ape", "bat", "cow") and found.labels.tolist() == [0, 0, 2, 2]
    np.testing.assert_array_equal(found.images[2], pixels(120).transpose(2, 0, 1))


def test_test_classes_are_those_of_training(zoo):
    (zoo / "test" / "empty").mkdir()
    assert len(load("folder", "test", zoo)) == 6, "an empty folder is no class"
    (zoo / "test" / "bat").rename(zoo / "test" / "bee")
    (zoo / "test" / "cow").rename(zoo / "test" / "Cow")
    with pytest.raises(DataFileError, match="the classes Cow, bee are none of .*train, which has ape, bat, cow"):
        load("folder", "test", zoo)
    shutil.rmtree(zoo / "test")
    (zoo / "test" / "ape").mkdir(parents=True)
    with pytest.raises(DataFileError, match="test holds no image of a class of .*train: put images into .*ape"):
        load("folder", "test", zoo)


def test_no_test_folder(zoo):
    shutil.rmtree(zoo / "test")
    assert len(load("folder", "train", zoo)) == 9
    words = "holds none of the folders test, val, valid, validation: add one, or .*test_part=0.2 .*--test-part 0.2"
    with pytest.raises(DataFileError, match=words):
        load("folder", "test", zoo)


@pytest.mark.parametrize("inside", [False, True])
def test_a_part_is_split_off(zoo, inside):
    """Stratified, disjoint, complete, always the same."""
    folder = zoo / "only"
    for label, count in enumerate((10, 5, 2, 1)):
        write_class((folder / "train" if inside else folder) / "abcd"[label], count, 50 * label)
    whole = read_folder(folder / "train" if inside else folder)
    train, test = (load("folder", split, folder, test_part=0.3) for split in ("train", "test"))
    assert np.bincount(train.labels).tolist() == [7, 3, 1, 1] and np.bincount(test.labels).tolist() == [3, 2, 1]
    assert train.classes == test.classes == tuple("abcd")
    parts = {image.tobytes(): int(label) for data in (train, test) for image, label in zip(data.images, data.labels)}
    assert parts == {image.tobytes(): int(label) for image, label in zip(whole[0], whole[1])} and len(parts) == 18
    again = load("folder", "test", str(folder), test_part=0.3)
    np.testing.assert_array_equal(again.images, test.images)
    assert test.images[0].tobytes() != whole[0][0].tobytes() or test.images[1].tobytes() != whole[0][1].tobytes()


def test_a_part_is_split_off_only_where_there_is_no_test_folder(zoo):
    with pytest.raises(DataFileError, match="holds test, and test_part is 0.2, expected one of them: leave"):
        load("folder", "train", zoo, test_part=0.2)
    save(zoo / "single" / "a" / "x.png", pixels(0))
    with pytest.raises(DataFileError, match="no class has more than 1 image"):
        load("folder", "test", zoo / "single", test_part=0.2)


@pytest.mark.parametrize("part", [0, 1, 1.0, -0.1, float("nan"), "0.2"])
def test_test_part_is_checked(zoo, part):
    with pytest.raises(RangeError, match="test_part is .*, expected a number above 0 and below 1"):
        load("folder", "train", zoo, test_part=part)
    with pytest.raises(RangeError, match="test_part is 0.2 for mnist, expected None: it is for 'folder' alone"):
        load("mnist", "train", zoo, test_part=0.2)


def test_class_folders_alone_need_a_part(zoo):
    with pytest.raises(DataFileError, match="there is no such folder: give the folder that holds train and test.*0.2"):
        load("folder", "train", zoo / "train")


def test_a_file_instead_of_a_folder(zoo):
    (zoo / "pets.zip").write_bytes(b"PK\3\4" + bytes(60))
    with pytest.raises(DataFileError, match="pets.zip is a zip archive, expected a folder with train.*unpack it"):
        load("folder", "train", zoo / "pets.zip")
