"""What the catalogue says is there is what load finds."""

import numpy as np
import pytest
from data.test_cifar import SMALL, make_files, put
from data.writers import MEDMNIST, write_idx_set, write_npz

from minires.data import DATASETS, load
from minires.data.catalogue import ABOUT, is_there
from minires.data.cifar import CIFAR
from minires.data.embedded import read_embedded
from minires.errors import DataFileError


def loads(name, data_dir):
    try:
        return all(len(load(name, split, data_dir)) for split in ("train", "test"))
    except DataFileError:
        return False


def agree(name, data_dir):
    found = is_there(name, data_dir)
    assert found == loads(name, data_dir)
    return found


def test_every_data_set_is_described():
    assert list(ABOUT) == list(DATASETS)


def test_only_the_embedded_ones_are_always_there(tmp_path):
    assert [name for name in DATASETS if agree(name, tmp_path)] == ["digits", "fashion_mnist_12k"]
    assert not is_there("mnist", tmp_path / "nowhere")


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_idx(tmp_path, name, packed):
    images, labels = np.zeros((3, 28, 28), np.uint8), np.arange(3)
    write_idx_set(tmp_path / name, images, labels, "train", packed)
    assert not agree(name, tmp_path)
    write_idx_set(tmp_path / name, images, labels, "t10k", packed)
    assert agree(name, tmp_path) and agree(name, str(tmp_path)) and agree(name, tmp_path / name)
    other = {"mnist": "fashion_mnist", "fashion_mnist": "mnist"}[name]
    assert not agree(other, tmp_path) and agree(other, tmp_path / name)  # of no known set: the user must know
    next((tmp_path / name).iterdir()).unlink()
    assert not agree(name, tmp_path)


def test_images_of_another_set_are_not_there(tmp_path):
    images, labels = read_embedded("fashion_mnist_12k", "train")
    for prefix in ("train", "t10k"):
        write_idx_set(tmp_path, images[:, 0], labels, prefix)
    assert agree("fashion_mnist", tmp_path) and not agree("mnist", tmp_path) and not agree("kmnist", tmp_path)


def test_npz(tmp_path):
    assert not agree("npz", tmp_path)
    write_npz(tmp_path / "some.npz", np.zeros((3, 28, 28), np.uint8), np.arange(3), MEDMNIST)
    assert agree("npz", tmp_path) and agree("npz", tmp_path / "some.npz") and not agree("mnist", tmp_path)
    (tmp_path / "some.npz").rename(tmp_path / "mnist.npz")
    assert agree("mnist", tmp_path) and agree("mnist", tmp_path / "mnist.npz")


@pytest.mark.parametrize("layout", ["direct", "official folder", "archive"])
@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_cifar(tmp_path, monkeypatch, name, binary, layout):
    monkeypatch.setitem(CIFAR, name, SMALL[name])
    put(tmp_path, name, binary, make_files(name, binary)[0], layout)
    assert agree(name, tmp_path)
    file = next(path for path in tmp_path.rglob("*") if path.is_file())
    file.unlink()
    assert not agree(name, tmp_path)


def test_folder(tmp_path):
    image = pytest.importorskip("PIL.Image", reason="needs Pillow")
    for place in ("train/cat", "test/cat"):
        assert not is_there("folder", tmp_path)
        (tmp_path / place).mkdir(parents=True)
        image.fromarray(np.zeros((6, 6, 3), np.uint8)).save(tmp_path / place / "x.png")
    assert agree("folder", tmp_path)
