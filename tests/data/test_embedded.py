import numpy as np
import pytest

from minires.data import embedded, load
from minires.data.embedded import read_embedded
from minires.errors import DataFileError


@pytest.mark.parametrize("split, each", [("train", 1000), ("test", 200)])
def test_the_embedded_set(split, each):
    images, labels = read_embedded(split)
    assert images.shape == (10 * each, 1, 28, 28) and images.dtype == np.uint8 and labels.dtype == np.int64
    assert np.bincount(labels).tolist() == [each] * 10
    data = load("fashion_mnist_12k", split)
    np.testing.assert_array_equal(data.images, images)
    assert data.classes[9] == "ankle boot" and len(data.classes) == 10


@pytest.mark.parametrize("change", [lambda z: b"", lambda z: z[:-1], lambda z: z[:1000] + b"x" + z[1001:],
                                    lambda z: b"version https://git-lfs.github.com/spec/v1\n", lambda z: z * 2])
def test_a_damaged_installation_is_noticed(tmp_path, change):
    path = tmp_path / "x.npz"
    path.write_bytes(change(embedded.PATH.read_bytes()))
    with pytest.raises(DataFileError, match="x.npz: (SHA-256|file size) is"):
        read_embedded("train", path)
    with pytest.raises(DataFileError, match="no such file"):
        read_embedded("train", tmp_path / "y.npz")


def test_the_licence_lies_beside_it():
    text = embedded.PATH.with_name("FASHION_MNIST_LICENSE.txt").read_text(encoding="utf-8")
    assert "Copyright © 2017 Zalando SE" in text and "Permission is hereby granted" in text
