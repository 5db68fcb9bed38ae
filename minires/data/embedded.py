"""The data sets that come with the package.

fashion_mnist_12k: a teaching subset of Fashion-MNIST, 1,000 training and 200 test images of each class, not the
official split. MIT licence of Zalando SE, see FASHION_MNIST_LICENSE.txt.

digits: the 1,797 images of 8 x 8 pixels that scikit-learn distributes (Alpaydin and Kaynak 1998, UCI), see
DIGITS_LICENSE.txt. Their values v, 0 to 16, are stored as round(255 v / 16); v is round(u / 255 * 16). There is no
official split: 36 images of each class, drawn at random once, are for testing. The same people wrote both parts, so
that it is easier than the digits of strangers. ``tests/data/digits_csv.py`` makes the file from scikit-learn's.
"""

import hashlib
import io
from pathlib import Path

import numpy as np

from minires.data import classes
from minires.files.bounded import broken, read_file

EMBEDDED = {"digits": classes.MNIST, "fashion_mnist_12k": classes.FASHION_MNIST}
SHA256 = {
    "digits": "5dcb3af1c086568632f58db406f3f70d6077aeaf111e70c5e270be0f26981d49",
    "fashion_mnist_12k": "170d38d18d89ce9b7cf8af0624ea3cae5f5c2b3d9fe2b9b0dc8762b137d4662d",
}
LIMIT = 8 << 20


def path_of(name):
    """The file of an embedded data set."""
    return Path(__file__).with_name(f"{name}.npz")


def read_embedded(name, split, path=None):
    """Return images (N, 1, H, W) uint8 and labels (N,) int64 of the "train" or "test" part of an embedded data set.

    H = W = 8, N = 1,437 and 360 for "digits"; H = W = 28, N = 10,000 and 2,000 for "fashion_mnist_12k".
    Raises DataFileError where the file is not, byte for byte, the one that the package ships.
    """
    path = path or path_of(name)
    data = read_file(path, LIMIT)
    found = hashlib.sha256(data).hexdigest()
    if found != SHA256[name]:
        raise broken(path, "SHA-256", found, SHA256[name], "install minires again")
    with np.load(io.BytesIO(data)) as arrays:
        return arrays[f"{split}_images"][:, None], arrays[f"{split}_labels"].astype(np.int64)
