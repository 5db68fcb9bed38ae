import gzip
import struct
import tracemalloc

import numpy as np
import pytest
from data.writers import idx_bytes
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from minires.data.idx import read_idx, read_labelled_idx
from minires.errors import DataFileError

IMAGES = np.arange(5 * 4 * 3, dtype=np.uint8).reshape(5, 4, 3)
GOOD = idx_bytes(IMAGES)


@given(array=arrays(np.uint8, array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=6)), packed=st.booleans())
def test_round_trip(tmp_path, array, packed):
    path = tmp_path / "x-ubyte"
    path.write_bytes(gzip.compress(idx_bytes(array)) if packed else idx_bytes(array))
    np.testing.assert_array_equal(read_idx(path, array.ndim), array, strict=True)


BROKEN = {
    "empty": (b"", "is an empty file, expected an IDX file of images (00 00 08 03)"),
    "cut in the magic number": (GOOD[:3], "it begins with 00 00 08"),
    "magic number": (b"\x01" + GOOD[1:], "it begins with 01 00 08 03"),
    "a web page": (b"<!DOCTYPE html>", "is a web page, expected an IDX file"),
    "packed twice": (gzip.compress(gzip.compress(GOOD)), "is compressed by gzip, expected an IDX file"),
    "a pointer": (b"version https://git-lfs.github.com/spec/v1", "is a pointer of Git LFS"),
    "dtype byte": (GOOD[:2] + b"\x0d" + GOOD[3:], "data type in the header is 0x0d, expected 0x08"),
    "labels for images": (idx_bytes(np.zeros(7)), "number of axes in the header is 1, expected 3"),
    "cut in the header": (GOOD[:14], "length of the header is 14 bytes, expected 16 bytes"),
    "truncated": (GOOD[:-1], "is 59 bytes, expected 60 bytes"),
    "header alone": (GOOD[:16], "is 0 bytes, expected 60 bytes"),
    "trailing byte": (GOOD + b"\0", "is 61 bytes or more, expected 60 bytes"),
    "little-endian sizes": (GOOD[:4] + struct.pack("<3I", 5, 4, 3) + GOOD[16:], "at most"),
    "sizes of 2**96": (GOOD[:4] + b"\xff" * 12 + GOOD[16:], "at most"),
}


@pytest.mark.parametrize("kind", BROKEN)
@pytest.mark.parametrize("packed", [False, True])
def test_broken(tmp_path, kind, packed):
    data, words = BROKEN[kind]
    path = tmp_path / "images"
    path.write_bytes(gzip.compress(data) if packed else data)
    with pytest.raises(DataFileError) as error:
        read_idx(path, 3)
    assert words in str(error.value) and str(path) in str(error.value)
    remedies = {
        "labels for images": "swapped",
        "a web page": "fetch that in a browser",
        "packed twice": "unpack it",
        "a pointer": "run git lfs pull",
    }
    assert remedies.get(kind, "fetch it again") in str(error.value)


@pytest.mark.parametrize(
    "change",
    [
        lambda z: z[:-1],
        lambda z: z[:-9],
        lambda z: z[:20],
        lambda z: z + b"rest",
        lambda z: z[:-8] + b"abcd" + z[-4:],
        lambda z: z[:12] + b"\xff" * 9 + z[21:],
    ],
)
def test_broken_gzip(tmp_path, change):
    path = tmp_path / "images.gz"
    path.write_bytes(change(gzip.compress(GOOD)))
    with pytest.raises(DataFileError, match="cannot be read"):
        read_idx(path, 3)


def test_missing_and_folder(tmp_path):
    with pytest.raises(DataFileError, match="no such file"):
        read_idx(tmp_path / "nothing", 3)
    with pytest.raises(DataFileError, match="Is a directory"):
        read_idx(tmp_path, 3)


def peak(function):
    tracemalloc.start()
    try:
        with pytest.raises(DataFileError):
            function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_bomb_is_unpacked_no_further_than_its_header_says(tmp_path):
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(GOOD + bytes(1 << 26), compresslevel=1))
    assert peak(lambda: read_idx(path, 3)) < 1 << 20


def test_a_header_that_promises_much_costs_nothing(tmp_path):
    path = tmp_path / "lie"
    path.write_bytes(idx_bytes(IMAGES)[:4] + struct.pack(">3I", 1000, 1000, 1000) + b"x")
    assert peak(lambda: read_idx(path, 3)) < 1 << 22


def test_random_mutations(tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "images"
    packed = gzip.compress(GOOD)
    for i in range(1000):
        data = bytearray(packed if i % 2 else GOOD)
        for _ in range(rng.integers(1, 4)):
            data[rng.integers(len(data))] = rng.integers(256)
        path.write_bytes(data[: rng.integers(len(data) + 1)] if i % 3 == 0 else data)
        try:
            assert read_idx(path, 3).dtype == np.uint8
        except DataFileError as error:
            assert str(path) in str(error)


@pytest.mark.parametrize(
    "labels, words",
    [([0, 1, 2, 3], "number of labels is 4, expected 5"), ([0, 1, 2, 9, 10], "label 4 is 10, expected 0 to 9")],
)
def test_labels(tmp_path, labels, words):
    (tmp_path / "i").write_bytes(GOOD)
    (tmp_path / "l").write_bytes(idx_bytes(np.array(labels)))
    with pytest.raises(DataFileError, match=words):
        read_labelled_idx(tmp_path / "i", tmp_path / "l", 10)


def test_no_images(tmp_path):
    (tmp_path / "i").write_bytes(idx_bytes(np.zeros((0, 28, 28))))
    (tmp_path / "l").write_bytes(idx_bytes(np.zeros(0)))
    with pytest.raises(DataFileError, match="no pixels"):
        read_labelled_idx(tmp_path / "i", tmp_path / "l", 10)
