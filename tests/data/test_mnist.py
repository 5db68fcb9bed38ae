"""The MNIST family under the names that people have its files, and told from one another by content."""

import gzip
import os

import numpy as np
import pytest
from data.writers import KERAS, MEDMNIST, idx_bytes, write_idx_set, write_npz

from minires.data import fingerprints, load
from minires.data.embedded import read_embedded
from minires.data.mnist import IDX_SETS
from minires.data.sources import SOURCES, Source
from minires.errors import DataFileError

IMAGES = np.random.default_rng(0).integers(0, 256, (7, 28, 28), np.uint8)
LABELS = np.arange(7)
FILES = {"train-images-idx3-ubyte": IMAGES, "train-labels-idx1-ubyte": LABELS}


def put(folder, rename=lambda name: name, packed=False):
    for name, array in FILES.items():
        path = folder / rename(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        data = idx_bytes(array)
        path.write_bytes(gzip.compress(data) if packed else data)


DOTS = lambda name: name.replace("-idx", ".idx")
LAYOUTS = {
    "dots of Windows": ("mnist", "", DOTS, False),
    "dots, packed": ("mnist", "", lambda name: DOTS(name) + ".gz", True),
    "packed, named as if not": ("mnist", "", lambda name: name, True),
    "each in a folder of its name": ("mnist", "", lambda name: f"{name}/{name}", False),
    "dots, in a folder of its name": ("mnist", "", lambda name: f"{DOTS(name)}/{DOTS(name)}", False),
    "torchvision": ("mnist", "MNIST/raw", lambda name: name, False),
    "torchvision, fashion": ("fashion_mnist", "FashionMNIST/raw", lambda name: name, False),
    "torchvision, kmnist": ("kmnist", "KMNIST/raw", lambda name: name + ".gz", True),
    "dashes": ("fashion_mnist", "Fashion-MNIST", lambda name: name, False),
    "blanks": ("fashion_mnist", "fashion mnist", lambda name: name, False),
    "raw alone": ("mnist", "raw", lambda name: name, False),
}


@pytest.mark.parametrize("kind", LAYOUTS)
def test_names_as_people_have_them(tmp_path, kind):
    name, folder, rename, packed = LAYOUTS[kind]
    put(tmp_path / folder, rename, packed)
    for place in (tmp_path, tmp_path / folder):
        found = load(name, "train", place)
        np.testing.assert_array_equal(found.images[:, 0], IMAGES)
        assert found.labels.tolist() == LABELS.tolist() and found.classes == IDX_SETS[name].classes


def test_the_path_of_one_of_the_files(tmp_path):
    put(tmp_path, lambda name: name + ".gz", True)
    assert len(load("mnist", "train", tmp_path / "train-images-idx3-ubyte.gz")) == 7


def test_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    put(tmp_path / "data" / "mnist")
    assert len(load("mnist", "train", "~/data")) == 7
    with pytest.raises(DataFileError, match="no such home folder"):
        load("mnist", "train", "~nobody-of-this-name/data")


def test_an_empty_file_gives_way_to_a_whole_one(tmp_path):
    put(tmp_path, lambda name: name + ".gz", True)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(b"")
    assert len(load("mnist", "train", tmp_path)) == 7
    (tmp_path / "train-images-idx3-ubyte.gz").unlink()
    with pytest.raises(DataFileError, match="train-images-idx3-ubyte is an empty file, expected an IDX file of images"):
        load("mnist", "train", tmp_path)


def test_a_file_that_is_no_folder(tmp_path):
    (tmp_path / "mnist.zip").write_bytes(b"PK\3\4" + bytes(100))
    with pytest.raises(DataFileError, match="mnist.zip is a zip archive, expected the folder .* of mnist: unpack it"):
        load("mnist", "train", tmp_path / "mnist.zip")


@pytest.fixture(scope="module")
def clothes(tmp_path_factory):
    """10,000 images of Fashion-MNIST, in another order than the official one."""
    folder = tmp_path_factory.mktemp("clothes") / "mnist"
    images, labels = read_embedded("fashion_mnist_12k", "train")
    write_idx_set(folder, images[:, 0], labels)
    return folder


@pytest.mark.parametrize("place", [".", "..", "../mnist/.", "train-images-idx3-ubyte"])
def test_fashion_is_never_taken_for_mnist(clothes, place):
    words = r"train-images-idx3-ubyte holds images of fashion_mnist, expected mnist: take --data fashion_mnist"
    with pytest.raises(DataFileError, match=words):
        load("mnist", "train", clothes / place)
    assert len(load("fashion_mnist", "train", clothes)) == 10000


def test_mnist_is_never_taken_for_fashion(tmp_path, monkeypatch):
    sums = {fingerprints.zlib.crc32(image.data) for image in IMAGES}
    monkeypatch.setattr(fingerprints, "ONE_IN", 1)
    monkeypatch.setitem(fingerprints.IMAGES, "mnist", frozenset(sums))
    put(tmp_path / "FashionMNIST" / "raw")
    with pytest.raises(DataFileError, match="holds images of mnist, expected fashion_mnist"):
        load("fashion_mnist", "train", tmp_path)
    assert len(load("mnist", "train", tmp_path / "FashionMNIST" / "raw")) == 7


def test_official_archives_are_known_by_their_sums(tmp_path, monkeypatch):
    put(tmp_path, lambda name: name + ".gz", True)
    path = tmp_path / "train-images-idx3-ubyte.gz"
    digest = fingerprints.hashlib.md5(path.read_bytes()).hexdigest()
    monkeypatch.setitem(SOURCES, "kmnist", (Source("http://x", digest, "kmnist/x"),))
    assert len(load("kmnist", "train", tmp_path)) == 7
    with pytest.raises(DataFileError, match="holds images of kmnist, expected mnist"):
        load("mnist", "train", tmp_path)


@pytest.mark.parametrize("folder", ["mnist", "fashion_mnist", "own"])
def test_images_of_no_known_set_can_be_used(tmp_path, folder):
    put(tmp_path / folder)
    assert len(load("mnist", "train", tmp_path / folder)) == 7


def test_the_sums_are_those_of_about_one_image_in_1024():
    for sums in fingerprints.IMAGES.values():
        assert 50 < len(sums) < 90 and max(sums) < 2**32 // fingerprints.ONE_IN
    assert not fingerprints.IMAGES["mnist"] & fingerprints.IMAGES["fashion_mnist"]
    assert fingerprints.set_of(np.zeros((5, 28, 28), np.uint8)) is None


@pytest.mark.parametrize("place", ["", "emnist", "EMNIST/raw", "gzip", "EMNIST/gzip"])
@pytest.mark.parametrize("kind", ["balanced", "byclass", "bymerge", "digits", "letters", "mnist"])
def test_emnist(tmp_path, kind, place):
    """Files hold the images transposed, and count letters from 1."""
    name, count = f"emnist_{kind}", {"balanced": 47, "byclass": 62, "bymerge": 47, "letters": 26}.get(kind, 10)
    labels, first = np.array([0, 3, count - 1]), int(kind == "letters")
    folder = tmp_path / place
    folder.mkdir(parents=True, exist_ok=True)
    for split in ("train", "test"):
        stem = folder / f"emnist-{kind}-{split}"
        stem.with_name(f"{stem.name}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx_bytes(IMAGES[:3])))
        stem.with_name(f"{stem.name}-labels-idx1-ubyte").write_bytes(idx_bytes(labels + first))
        found = load(name, split, tmp_path)
        np.testing.assert_array_equal(found.images, IMAGES[:3].transpose(0, 2, 1)[:, None], strict=True)
        assert found.labels.tolist() == labels.tolist() and len(found.classes) == count
    stem.with_name(f"{stem.name}-labels-idx1-ubyte").write_bytes(idx_bytes(labels + first + 1))
    with pytest.raises(DataFileError, match=f"label 2 is {count + first}, expected {first} to {count + first - 1}"):
        load(name, "test", tmp_path)
    if kind == "letters":
        assert found.classes[0] == "a" and found.classes[25] == "z"
        stem.with_name(f"{stem.name}-labels-idx1-ubyte").write_bytes(idx_bytes(labels))
        with pytest.raises(DataFileError, match="label 0 is 0, expected 1 to 26"):
            load(name, "test", tmp_path)


def test_letters_of_emnist_are_where_its_mapping_says():
    """Rows of emnist-balanced-mapping.txt: label and code of the letter."""
    names = IDX_SETS["emnist_balanced"].classes
    rows = {0: 48, 9: 57, 10: 65, 35: 90, 36: 97, 38: 100, 41: 103, 42: 104, 43: 110, 44: 113, 46: 116}
    for label, code in rows.items():
        assert names[label] == chr(code)
    assert IDX_SETS["emnist_byclass"].classes[36:] == tuple("abcdefghijklmnopqrstuvwxyz")


def test_missing_emnist_says_how_to_get_it(tmp_path):
    with pytest.raises(DataFileError, match="emnist-digits-train-images-idx3-ubyte.*fetch gzip.zip from https"):
        load("emnist_digits", "train", tmp_path)


@pytest.mark.parametrize("names", [KERAS, MEDMNIST])
@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_npz_of_keras(tmp_path, name, names):
    path = tmp_path / f"{name}.npz"
    write_npz(path, IMAGES, LABELS, names, packed=True)
    for place in (tmp_path, path):
        found = load(name, "test", place)
        np.testing.assert_array_equal(found.images[:, 0], IMAGES)
        assert found.classes == IDX_SETS[name].classes
    write_npz(path, np.stack([IMAGES] * 3, axis=-1), LABELS, names)
    with pytest.raises(DataFileError, match="number of channels is 3, expected 1"):
        load(name, "train", path)


def test_npz_of_another_set(tmp_path):
    images, labels = read_embedded("fashion_mnist_12k", "train")
    write_npz(tmp_path / "mnist.npz", images[:, 0], labels, KERAS)
    with pytest.raises(DataFileError, match="mnist.npz holds images of fashion_mnist, expected mnist"):
        load("mnist", "train", tmp_path)


@pytest.mark.shared
@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize(("folder", "name"), [("mnist", "fashion_mnist"), ("fashion_mnist", "mnist")])
def test_the_real_sets_are_told_apart(folder, name, split):
    data_dir = os.environ.get("MINIRES_DATA_DIR")
    if not data_dir:
        pytest.skip("set MINIRES_DATA_DIR to the folder that holds the real data sets")
    with pytest.raises(DataFileError, match=f"holds images of {folder}, expected {name}"):
        load(name, split, f"{data_dir}/{folder}")
