"""The IDX format of MNIST and Fashion-MNIST, packed with gzip or not.

Big-endian: two zero bytes, one byte for the type (8: unsigned byte), one for the number of axes, four bytes for the
size of each axis, then the values with the last axis fastest (Y. LeCun, "The MNIST database", file format).
"""

import math

import numpy as np

from minires.backend import Array
from minires.errors import DataFileError
from minires.data.classes import check_labels
from minires.files import StrPath
from minires.files.bounded import AGAIN, broken, open_bytes, read_at_most, reading
from minires.files.kind import HEAD, refused

UNSIGNED_BYTE = 8
MAX_BYTES = 1 << 30


def read_idx(path: StrPath, axes: int) -> Array:
    """Return the array of an IDX file of unsigned bytes with the given number of ``axes``: 3 images, 1 labels.

    Memory is asked for as the data come, and no more is unpacked than the header announces plus one byte.
    Raises DataFileError.
    """
    with reading(path), open_bytes(path) as stream:
        shape = read_header(path, stream, axes)
        announced = math.prod(shape)
        if announced > MAX_BYTES:
            raise broken(
                path, f"size of the shape {shape} in the header", f"{announced} bytes", f"at most {MAX_BYTES} bytes"
            )
        values = read_at_most(stream, announced + 1)
        if len(values) != announced:
            found = f"{len(values)} bytes" if len(values) < announced else f"{announced + 1} bytes or more"
            raise broken(path, f"data behind the header {shape}", found, f"{announced} bytes")
    return np.frombuffer(values, np.uint8).reshape(shape)


def read_header(path, stream, axes):
    """Return the shape that the header announces."""
    magic = read_at_most(stream, 4)
    if len(magic) < 4 or magic[:2] != b"\0\0":
        expected = f"an IDX file of {'images' if axes == 3 else 'labels'} (00 00 08 {axes:02x})"
        raise refused(path, expected, magic + read_at_most(stream, HEAD))
    if magic[2] != UNSIGNED_BYTE:
        raise broken(path, "data type in the header", f"0x{magic[2]:02x}", "0x08 (unsigned byte)")
    if magic[3] != axes:
        raise broken(
            path,
            "number of axes in the header",
            magic[3],
            axes,
            "images have 3 axes and labels 1; perhaps the two files were swapped",
        )
    sizes = read_at_most(stream, 4 * axes)
    if len(sizes) < 4 * axes:
        raise broken(path, "length of the header", f"{4 + len(sizes)} bytes", f"{4 + 4 * axes} bytes")
    return tuple(int.from_bytes(sizes[i : i + 4], "big") for i in range(0, 4 * axes, 4))


def read_labelled_idx(images_path, labels_path, classes, first_label=0):
    """Return images (N, H, W) uint8 and labels (N,) int64 from 0 of a pair of IDX files, which count from
    ``first_label``. Raises DataFileError.
    """
    images, labels = read_idx(images_path, axes=3), read_idx(labels_path, axes=1)
    if len(images) != len(labels):
        raise broken(
            labels_path,
            "number of labels",
            len(labels),
            f"{len(images)} (images of {images_path})",
            "images and labels must come from the same set",
        )
    if images.size == 0:
        raise DataFileError(f"{images_path}: the shape {images.shape} holds no pixels: {AGAIN}")
    check_labels(labels_path, labels, classes, first_label)
    return images, labels.astype(np.int64) - first_label
