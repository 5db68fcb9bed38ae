"""Makes minires/data/digits.npz anew from the digits.csv.gz of scikit-learn, which its wheel holds: SHA-256 09f66e6d….

pip download --no-deps scikit-learn
unzip scikit_learn-*.whl sklearn/datasets/data/digits.csv.gz
python tests/data/digits_csv.py sklearn/datasets/data/digits.csv.gz
"""

import sys
from pathlib import Path

import numpy as np

TARGET = Path(__file__).parents[2] / "minires" / "data" / "digits.npz"
TEST_EACH = 36  # images of each class, a fifth


def read_csv(path):
    """Images (1797, 8, 8), integers from 0 to 16, and labels (1797,), in the order of the file."""
    table = np.loadtxt(path, delimiter=",").astype(np.int64)
    return table[:, :64].reshape(-1, 8, 8), table[:, 64]


def make_arrays(path):
    """The arrays of the archive by name: of each class the last 36 images of a permutation with seed 0 are for testing.

    Images of a split keep the order of the file.
    """
    images, labels = read_csv(path)
    order = np.random.default_rng(0).permutation(len(labels))
    test = np.sort(np.concatenate([order[labels[order] == k][-TEST_EACH:] for k in range(10)]))
    rows = {"train": np.setdiff1d(np.arange(len(labels)), test), "test": test}
    scaled = ((255 * images + 8) // 16).astype(np.uint8)
    arrays = {f"{split}_images": scaled[index] for split, index in rows.items()}
    return arrays | {f"{split}_labels": labels[index].astype(np.uint8) for split, index in rows.items()}


if __name__ == "__main__":
    np.savez_compressed(TARGET, **make_arrays(sys.argv[1]))
