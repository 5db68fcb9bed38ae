import os
from pathlib import Path

import numpy as np
import pytest
from data.writers import write_idx_set

from minires.data import DATASETS, classes, load
from minires.errors import DataFileError, MiniresError, RangeError

IMAGES = np.random.default_rng(0).integers(0, 256, (7, 28, 28), np.uint8)
LABELS = np.arange(7)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_idx_sets(tmp_path, name, inside, packed):
    folder = tmp_path / name if inside else tmp_path
    write_idx_set(folder, IMAGES, LABELS, "train", packed)
    write_idx_set(folder, IMAGES[:3], LABELS[:3], "t10k", packed)
    train, test = load(name, "train", tmp_path), load(name, "test", str(tmp_path))
    np.testing.assert_array_equal(train.images[:, 0], IMAGES)
    np.testing.assert_array_equal(train.labels, LABELS, strict=True)
    assert len(test) == 3 and test.name == name and len(test.classes) == 10


def test_the_folder_of_a_set_is_preferred_to_loose_files(tmp_path):
    write_idx_set(tmp_path, IMAGES, LABELS)
    write_idx_set(tmp_path / "mnist", IMAGES[:2], LABELS[:2])
    assert len(load("mnist", "train", tmp_path)) == 2


@pytest.mark.parametrize("name", ["cifar10", "cifar100", "mnist", "fashion_mnist"])
def test_missing_files_say_what_was_looked_for_and_how_to_get_it(tmp_path, name):
    with pytest.raises(DataFileError) as error:
        load(name, "train", tmp_path)
    message = str(error.value)
    assert f"{name}: the files of the train split are missing; looked for " in message
    assert f" in {tmp_path}" in message and f"minires data {name} --data-dir {tmp_path} --download" in message
    assert "http" in message
    with pytest.raises(DataFileError, match="data_dir is None, expected the folder of its files: minires"):
        load(name, "train")


def test_one_missing_file_is_named(tmp_path):
    write_idx_set(tmp_path / "mnist", IMAGES, LABELS)
    (tmp_path / "mnist" / "train-labels-idx1-ubyte").unlink()
    with pytest.raises(DataFileError) as error:
        load("mnist", "train", tmp_path)
    assert f"looked for train-labels-idx1-ubyte (or .gz) in {tmp_path / 'mnist'}; train-images" in str(error.value)


@pytest.mark.parametrize("name", ["cifar10", "emnist_letters", "mnist", "npz", "folder"])
def test_a_path_that_the_system_refuses(name):
    with pytest.raises(DataFileError, match=r"cannot be read \(File name too long\): check the path"):
        load(name, "train", "x" * 300)


@pytest.mark.parametrize(
    "arguments, words",
    [
        (("imagenet", "train"), "name is 'imagenet', expected one of cifar10, "),
        (("mnist", "valid"), "split is 'valid', expected 'train' or 'test'"),
    ],
)
def test_unknown_names(arguments, words):
    with pytest.raises(RangeError, match=words):
        load(*arguments)


def test_size_is_for_folders():
    with pytest.raises(RangeError, match="size is .8, 8. for mnist, expected None: it is for 'folder' alone"):
        load("mnist", "train", "x", size=(8, 8))


def test_folder(tmp_path):
    image = pytest.importorskip("PIL.Image", reason="needs Pillow")
    for place in ("train/cat", "train/dog", "test/cat", "test/dog"):
        (tmp_path / place).mkdir(parents=True)
        image.fromarray(np.full((6, 6, 3), len(place), np.uint8)).save(tmp_path / place / "x.png")
    train = load("folder", "train", tmp_path)
    assert train.classes == ("cat", "dog") and train.images.shape == (2, 3, 6, 6)
    assert load("folder", "test", tmp_path, size=(3, 4)).images.shape == (2, 3, 3, 4)
    with pytest.raises(DataFileError, match="no such folder"):
        load("folder", "train", tmp_path / "train")
    with pytest.raises(DataFileError, match="train/ and test/"):
        load("folder", "train")


def test_every_name_is_sorted_and_loads_or_says_why(tmp_path):
    assert list(DATASETS) == sorted(DATASETS)
    for name in DATASETS:
        try:
            load(name, "test", tmp_path)
        except MiniresError as error:
            assert str(tmp_path) in str(error)


def test_names_of_classes():
    assert [len(names) for names in (classes.MNIST, classes.FASHION_MNIST, classes.CIFAR10, classes.CIFAR100)] == [
        10,
        10,
        10,
        100,
    ]
    assert list(classes.CIFAR100) == sorted(set(classes.CIFAR100))
    assert classes.CIFAR10.index("ship") == 8 and classes.CIFAR100.index("whale") == 95


@pytest.fixture(scope="module")
def data_dir():
    """The folder of the real data sets."""
    folder = os.environ.get("MINIRES_DATA_DIR")
    if not folder or not Path(folder).is_dir():
        pytest.skip("set MINIRES_DATA_DIR to the folder that holds the real data sets")
    return Path(folder)


@pytest.mark.shared
@pytest.mark.parametrize(
    "name, counts",
    [
        ("cifar10", ([5000] * 10, [1000] * 10)),
        (
            "mnist",
            (
                [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949],
                [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009],
            ),
        ),
        ("fashion_mnist", ([6000] * 10, [1000] * 10)),
    ],
)
def test_the_real_sets(data_dir, name, counts):
    for split, count in zip(("train", "test"), counts):
        assert np.bincount(load(name, split, data_dir).labels).tolist() == count


@pytest.mark.shared
def test_the_mean_and_deviation_of_the_real_cifar10(data_dir):
    train = load("cifar10", "train", data_dir)
    mean, std = train.mean_std()
    np.testing.assert_allclose(mean, [0.4914, 0.4822, 0.4465], atol=5e-5)
    np.testing.assert_allclose(std, [0.2470, 0.2435, 0.2616], atol=5e-5)
    assert train.images.shape == (50000, 3, 32, 32)
    assert [train.classes[label] for label in train.labels[:5]] == ["frog", "truck", "truck", "deer", "automobile"]
