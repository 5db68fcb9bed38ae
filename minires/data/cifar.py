"""CIFAR-10 and CIFAR-100 (A. Krizhevsky, 2009): the binary and the python version, as folder or as official archive.

Binary: records of one label byte (CIFAR-100: two, coarse then fine) and 3072 pixel bytes, planes R, G, B of 32 x 32.
Python: one pickled dict a file, see :mod:`minires.data.cifar_pickle`.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from minires.data.cifar_pickle import read_batch
from minires.data.classes import check_labels
from minires.errors import DataFileError
from minires.files.bounded import broken, read_file
from minires.files.tar import read_members

SHAPE = (3, 32, 32)
PIXELS = 3072
ARCHIVES = (".tar.gz", ".tgz", ".tar")
PICKLED_RECORD = 6400  # most bytes of a record in a pickle: protocol 2 of Python 3 writes pixels above 127 as two


@dataclass(frozen=True)
class Version:
    """The files of one version: its folder and archive, and the files of each split in order."""

    folder: str
    archive: str
    train: tuple
    test: tuple

    @property
    def stem(self):
        """The name of the archive without its end."""
        return self.archive.removesuffix(".tar.gz")


@dataclass(frozen=True)
class Cifar:
    """What CIFAR-10 and CIFAR-100 differ in; ``train_records`` and ``test_records`` count the records of one file."""

    classes: int
    label_bytes: int
    label_key: str
    train_records: int
    test_records: int
    binary: Version
    python: Version


CIFAR = {
    "cifar10": Cifar(
        classes=10,
        label_bytes=1,
        label_key="labels",
        train_records=10000,
        test_records=10000,
        binary=Version(
            "cifar-10-batches-bin",
            "cifar-10-binary.tar.gz",
            tuple(f"data_batch_{i}.bin" for i in range(1, 6)),
            ("test_batch.bin",),
        ),
        python=Version(
            "cifar-10-batches-py",
            "cifar-10-python.tar.gz",
            tuple(f"data_batch_{i}" for i in range(1, 6)),
            ("test_batch",),
        ),
    ),
    "cifar100": Cifar(
        classes=100,
        label_bytes=2,
        label_key="fine_labels",
        train_records=50000,
        test_records=10000,
        binary=Version("cifar-100-binary", "cifar-100-binary.tar.gz", ("train.bin",), ("test.bin",)),
        python=Version("cifar-100-python", "cifar-100-python.tar.gz", ("train",), ("test",)),
    ),
}


def find_cifar(cifar, split, data_dir):
    """Return ``(path, version)`` of the first complete source of the split, else ``(None, what was looked for)``.

    Looked at in this order: ``data_dir`` itself, the folders of both versions in it, then their archives: .tar.gz, .tgz
    or .tar, also in a folder of their own name. ``data_dir`` may be an archive, whatever it is called.
    """
    data_dir, looked = Path(data_dir), []
    if data_dir.is_file():
        return data_dir, cifar.binary  # or the other: its content tells
    for version in (cifar.binary, cifar.python):
        names, inner = getattr(version, split), data_dir / version.folder
        for folder in (data_dir, inner, inner / version.folder, data_dir / version.stem / version.folder):
            missing = [name for name in names if not (folder / name).is_file()]
            if not missing:
                return folder, version
            if folder in (data_dir, inner):
                looked.append(f"{', '.join(missing)} in {folder}")
    for version in (cifar.binary, cifar.python):
        for folder in (data_dir, *data_dir.glob(f"{version.stem}*/")):
            found = [path for path in folder.glob(f"{version.stem}*") if path.name.endswith(ARCHIVES)]
            found = [path for path in found if path.is_file()]
            if found:
                return min(found, key=lambda path: (len(path.name), path.name)), version
        looked.append(str(data_dir / version.archive))
    return None, looked


def read_cifar(path, cifar, version, split):
    """Return images (N, 3, 32, 32) uint8 and (fine) labels (N,) int64 of a split.

    path: folder, or .tar.gz or .tar archive; an archive is read in place, and its content tells the version. Every file
    must hold exactly the official number of records. Raises DataFileError.
    """
    path, records = Path(path), getattr(cifar, f"{split}_records")
    version, contents = read_contents(path, cifar, version, split)
    names = getattr(version, split)
    images = np.empty((len(names) * records, *SHAPE), np.uint8)
    labels = np.empty(len(images), np.int64)
    for i, name in enumerate(names):
        rows = slice(i * records, (i + 1) * records)
        where, data = path / name, contents.pop(name)
        if version is cifar.binary:
            batch = read_records(where, data, cifar, records)
        else:
            batch = read_batch(where, data, cifar.label_key, records)
        images[rows], labels[rows] = batch[0].reshape(-1, *SHAPE), batch[1]
        check_labels(where, labels[rows], cifar.classes)
    return images, labels


def read_contents(path, cifar, version, split):
    """Return the version and {name: bytes} of its files of a split, from a folder or from an archive."""
    if path.is_dir():
        return version, {name: read_file(path / name, limit) for name, limit in limits(cifar, version, split).items()}
    wanted = {each: limits(cifar, each, split) for each in (cifar.binary, cifar.python)}
    contents = read_members(path, {name: limit for names in wanted.values() for name, limit in names.items()})
    for each, names in wanted.items():
        if names.keys() <= contents.keys():
            return each, {name: contents[name] for name in names}
    missing = [name for name in wanted[version] if name not in contents]
    raise DataFileError(f"{path}: members {', '.join(missing)} are absent: fetch the official archive again")


def limits(cifar, version, split):
    """{name: most bytes} of the files of a split."""
    records = getattr(cifar, f"{split}_records")
    most = records * (cifar.label_bytes + PIXELS) if version is cifar.binary else records * PICKLED_RECORD + (1 << 20)
    return dict.fromkeys(getattr(version, split), most)


def read_records(path, data, cifar, records):
    """Return pixels (N, 3072) uint8 and labels (N,) uint8 of a file of the binary version."""
    expected = records * (cifar.label_bytes + PIXELS)
    if len(data) != expected:
        raise broken(
            path,
            "file size",
            f"{len(data)} bytes",
            f"{expected} bytes ({records} records of {cifar.label_bytes + PIXELS})",
        )
    rows = np.frombuffer(data, np.uint8).reshape(records, -1)
    return rows[:, cifar.label_bytes :], rows[:, cifar.label_bytes - 1]
