import importlib.util
from pathlib import Path

import numpy as np
import pytest
from data.digits_csv import make_arrays, read_csv

from minires.data import embedded, load
from minires.data.embedded import EMBEDDED, path_of, read_embedded
from minires.errors import DataFileError

# name, split: rows and columns, images of each class
SPLITS = {
    ("digits", "train"): (8, [142, 146, 141, 147, 145, 146, 145, 143, 138, 144]),
    ("digits", "test"): (8, [36] * 10),
    ("fashion_mnist_12k", "train"): (28, [1000] * 10),
    ("fashion_mnist_12k", "test"): (28, [200] * 10),
}


@pytest.mark.parametrize("name, split", SPLITS)
def test_the_embedded_sets(name, split):
    size, each = SPLITS[name, split]
    images, labels = read_embedded(name, split)
    assert images.shape == (sum(each), 1, size, size) and images.dtype == np.uint8 and labels.dtype == np.int64
    assert np.bincount(labels).tolist() == each
    data = load(name, split)
    np.testing.assert_array_equal(data.images, images)
    np.testing.assert_array_equal(data.labels, labels)
    assert data.classes[9] == {"digits": "9", "fashion_mnist_12k": "ankle boot"}[name] and len(data.classes) == 10


@pytest.mark.parametrize(
    "change",
    [
        lambda z: b"",
        lambda z: z[:-1],
        lambda z: z[:1000] + b"x" + z[1001:],
        lambda z: b"version https://git-lfs.github.com/spec/v1\n",
        lambda z: z * 2,
    ],
)
@pytest.mark.parametrize("name", EMBEDDED)
def test_a_damaged_installation_is_noticed(tmp_path, name, change):
    path = tmp_path / "x.npz"
    path.write_bytes(change(path_of(name).read_bytes()))
    with pytest.raises(DataFileError, match="x.npz: (SHA-256|file size) is"):
        read_embedded(name, "train", path)
    with pytest.raises(DataFileError, match="no such file"):
        read_embedded(name, "train", tmp_path / "y.npz")


@pytest.mark.parametrize(
    "name, words",
    [
        ("fashion_mnist", ["Copyright © 2017 Zalando SE", "Permission is hereby granted"]),
        (
            "digits",
            [
                "E. Alpaydin and C. Kaynak, 1998",
                "CC BY 4.0",
                "BSD 3-Clause",
                "The scikit-learn developers",
                "Redistribution and use",
            ],
        ),
    ],
)
def test_the_licence_lies_beside_it(name, words):
    text = Path(embedded.__file__).with_name(f"{name.upper()}_LICENSE.txt").read_text(encoding="utf-8")
    assert all(word in text for word in words)


def test_the_first_digit():
    """The 0 with which the file of the authors begins."""
    data = load("digits", "train")
    first = """
        0  0  5 13  9  1  0  0
        0  0 13 15 10 15  5  0
        0  3 15  2  0 11  8  0
        0  4 12  0  0  8  8  0
        0  5  8  0  0  9  8  0
        0  4 11  0  1 12  7  0
        0  2 14  5 10 12  0  0
        0  0  6 13 10  0  0  0
    """
    values = [int(word) for word in first.split()]
    assert data.labels[0] == 0
    assert [round(u * 16 / 255) for u in data.images[0].ravel().tolist()] == values
    assert data.images[0].ravel().tolist() == [round(v * 255 / 16) for v in values]


def test_digits_have_17_values_that_can_be_told_apart():
    found = np.unique(np.concatenate([load("digits", split).images for split in ("train", "test")]))
    assert np.rint(found / 255 * 16).tolist() == list(range(17))


@pytest.fixture(scope="module")
def csv():
    spec = importlib.util.find_spec("sklearn")
    for folder in spec.submodule_search_locations if spec else ():
        if (path := Path(folder, "datasets", "data", "digits.csv.gz")).is_file():
            return path
    return pytest.skip("needs scikit-learn's digits.csv.gz")


def test_digits_are_those_of_scikit_learn(csv):
    """Every row of its file occurs once, in one of the two parts, and the script makes the same arrays."""
    images, labels = read_csv(csv)
    expected = sorted((*image.ravel().tolist(), label) for image, label in zip(images, labels.tolist()))
    found = []
    for split in ("train", "test"):
        data = load("digits", split)
        values = np.rint(data.images.reshape(-1, 64) / 255 * 16).astype(int)
        found += [(*image, label) for image, label in zip(values.tolist(), data.labels.tolist())]
    assert len(set(expected)) == 1797 and sorted(found) == expected
    with np.load(path_of("digits")) as arrays:
        made = make_arrays(csv)
        assert arrays.keys() == made.keys()
        assert all(np.array_equal(arrays[key], made[key]) for key in made)
