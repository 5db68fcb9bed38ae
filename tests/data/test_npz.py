"""npz archives: the forms that are read, and what is refused without harm."""

import io
import pickle
import tracemalloc
import zipfile

import numpy as np
import pytest
from data.writers import KERAS, MEDMNIST, npy_bytes, write_npz

from minires.data import load, npz
from minires.data.npz import read_npz
from minires.errors import DataFileError

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 5, 4), np.uint8)
COLOURS = np.random.default_rng(1).integers(0, 256, (6, 5, 4, 3), np.uint8)
LABELS = np.array([0, 1, 2, 0, 1, 2])


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("names", [KERAS, MEDMNIST])
@pytest.mark.parametrize(
    "images, expected",
    [
        (IMAGES, IMAGES[:, None]),
        (IMAGES[..., None], IMAGES[:, None]),
        (COLOURS, COLOURS.transpose(0, 3, 1, 2)),
        (COLOURS.transpose(0, 3, 1, 2), COLOURS.transpose(0, 3, 1, 2)),
        (np.asfortranarray(COLOURS), COLOURS.transpose(0, 3, 1, 2)),
    ],
)
@pytest.mark.parametrize("labels", [LABELS, LABELS[:, None].astype(np.uint8), LABELS.astype("<i4")])
def test_forms(tmp_path, packed, names, images, expected, labels):
    write_npz(tmp_path / "x.npz", images, labels, names, packed)
    for place in (tmp_path, tmp_path / "x.npz"):
        for split in ("train", "test"):
            found = load("npz", split, place)
            np.testing.assert_array_equal(found.images, expected, strict=True)
            np.testing.assert_array_equal(found.labels, LABELS, strict=True)
            assert found.classes == ("0", "1", "2") and found.name == "npz"


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_what_numpy_writes(tmp_path, save):
    save(tmp_path / "x.npz", x_train=IMAGES, y_train=LABELS, x_test=IMAGES[:2], y_test=LABELS[:2], more=np.eye(2))
    images, labels, classes = read_npz(tmp_path / "x.npz", "test")
    assert images.shape == (2, 1, 5, 4) and labels.tolist() == [0, 1] and classes == 3, "those of both splits"


def parts(**changes):
    arrays = {"x_train": IMAGES, "y_train": LABELS, "x_test": IMAGES, "y_test": LABELS} | changes
    return {f"{name}.npy": array if isinstance(array, bytes) else npy_bytes(array) for name, array in arrays.items()}


def archive(members, method=zipfile.ZIP_STORED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as out:
        for name, data in members.items():
            out.writestr(name, data)
    return buffer.getvalue()


def header(shape):
    return npy_bytes(IMAGES, f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}")


GOOD = archive(parts())
OBJECTS = npy_bytes(np.zeros(1, np.uint8), "{'descr': '|O', 'fortran_order': False, 'shape': (6,), }")[:-1]
BROKEN = {
    "empty": (b"", "is an empty file, expected an npz archive"),
    "a web page": (b"<html>no", "is a web page, expected an npz archive"),
    "hdf5": (b"\x89HDF\r\n", "is an HDF5 file, as Keras"),
    "one array": (npy_bytes(IMAGES), r"is a NumPy array \(.npy\), expected an npz archive"),
    "cut": (GOOD[:-30], "the archive has no end"),
    "cut in front": (GOOD[:40], "the archive has no end"),
    "changed byte": (GOOD.replace(IMAGES.tobytes(), bytes(IMAGES.nbytes), 1), "CRC-32 of its values differs"),
    "other names": (archive({"a.npy": npy_bytes(IMAGES)}), "its arrays are a; expected train_images"),
    "one split": (archive({k: v for k, v in parts().items() if "train" in k}), "its arrays are x_train, y_train"),
    "objects": (archive(parts(x_train=OBJECTS + pickle.dumps(print))), "has the type '|O'"),
    "floats": (archive(parts(x_train=IMAGES / 255)), "dtype of the images is float64, expected uint8"),
    "wide images": (archive(parts(x_train=IMAGES.astype(np.int64))), "dtype of the images is int64, expected uint8"),
    "labels of floats": (archive(parts(y_train=LABELS / 1)), "dtype of the labels is float64"),
    "five axes": (archive(parts(x_train=IMAGES[None, None])), "shape of the images"),
    "volumes": (archive(parts(x_train=np.zeros((6, 9, 9, 9), np.uint8))), "shape of the images"),
    "no image": (archive(parts(x_train=IMAGES[:0], y_train=LABELS[:0])), "shape of the images"),
    "several labels": (archive(parts(y_train=np.eye(6, dtype=int))), r"shape of the labels is \(6, 6\)"),
    "count": (archive(parts(y_train=LABELS[:5])), "number of labels of train is 5, expected 6"),
    "negative label": (archive(parts(y_train=LABELS - 1)), "label 0 is -1"),
    "label beyond reason": (archive(parts(y_test=LABELS + 2**40)), "expected 0 to 9999"),
    "huge shape": (archive(parts(x_train=header("(9999999999, 9, 9)"))), "a tensor reaches up to number 81"),
    "negative shape": (archive(parts(x_train=header("(-6, -5, 4)"))), "has no header of an array"),
    "short": (archive(parts(x_train=header("(7, 5, 4)"))), "a tensor reaches up to"),
    "long": (archive(parts(x_train=header("(5, 5, 4)"))), "x_train.npy' has .* bytes, expected"),
    "header with a call": (archive(parts(x_train=header("print(1)"))), "x_train.npy' has no header of an array"),
    "no header": (archive(parts(x_train=b"text")), "x_train.npy' has no header of an array"),
    "method": (archive(parts(), zipfile.ZIP_BZIP2), "compressed in an unknown way"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_broken(tmp_path, kind, capsys):
    data, words = BROKEN[kind]
    (tmp_path / "x.npz").write_bytes(data)
    with pytest.raises(DataFileError, match=words) as error:
        read_npz(tmp_path / "x.npz", "train")
    assert str(tmp_path / "x.npz") in str(error.value) and capsys.readouterr().out == ""


def test_encrypted(tmp_path):
    data = bytearray(GOOD)
    data[data.index(b"PK\1\2") + 8] |= 1
    (tmp_path / "x.npz").write_bytes(data)
    with pytest.raises(DataFileError, match="encrypted"):
        read_npz(tmp_path / "x.npz", "train")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_arrays_of_one_name(tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as out:
        for name, data in [*parts().items(), *parts().items()]:
            out.writestr(name, data)
    (tmp_path / "x.npz").write_bytes(buffer.getvalue())
    with pytest.raises(DataFileError, match="two members called .x_train.npy"):
        read_npz(tmp_path / "x.npz", "train")


def test_a_bomb_is_unpacked_no_further_than_its_header_says(tmp_path):
    bomb = archive(parts(x_train=npy_bytes(IMAGES) + bytes(1 << 27)), zipfile.ZIP_DEFLATED)
    (tmp_path / "x.npz").write_bytes(bomb)
    tracemalloc.start()
    try:
        with pytest.raises(DataFileError, match="x_train.npy. has .* bytes, expected"):
            read_npz(tmp_path / "x.npz", "train")
        assert tracemalloc.get_traced_memory()[1] < 1 << 22
    finally:
        tracemalloc.stop()


def test_the_limit_of_an_array(tmp_path, monkeypatch):
    monkeypatch.setattr(npz, "MAX_BYTES", 119)
    (tmp_path / "x.npz").write_bytes(GOOD)
    with pytest.raises(DataFileError, match="is 120 bytes, expected at most 119 bytes"):
        read_npz(tmp_path / "x.npz", "train")


@pytest.mark.parametrize("names", [(), ("a.npz", "b.npz")])
def test_a_folder_holds_one(tmp_path, names):
    for name in names:
        (tmp_path / name).write_bytes(GOOD)
    with pytest.raises(DataFileError, match="looked for one file .npz in .*: give the archive itself"):
        load("npz", "train", tmp_path)


def test_random_mutations(tmp_path):
    rng = np.random.default_rng(0)
    path, packed = tmp_path / "x.npz", archive(parts(), zipfile.ZIP_DEFLATED)
    for i in range(2000):
        data = bytearray(packed if i % 2 else GOOD)
        for _ in range(rng.integers(1, 4)):
            data[rng.integers(len(data))] = rng.integers(256)
        path.write_bytes(data[: rng.integers(len(data) + 1)] if i % 5 == 0 else data)
        try:
            assert read_npz(path, "train")[0].dtype == np.uint8
        except DataFileError as error:
            assert str(path) in str(error)
