"""Fetch data sets from their official addresses, checked against the published MD5 sums."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from minires.errors import DataFileError, RangeError
from minires.files import StrPath
from minires.files.bounded import CHUNK, broken, place
from minires.files.whole import check_folder, make_folder, written_whole

MAX_BYTES = 1 << 30
TIMEOUT = 60  # seconds without a byte


@dataclass(frozen=True)
class Source:
    """A file to fetch: its address, its MD5 sum, and where it goes below the data folder."""

    address: str
    md5: str
    file: str


def _idx(base, folder, sums):
    names = (
        "train-images-idx3-ubyte.gz",
        "train-labels-idx1-ubyte.gz",
        "t10k-images-idx3-ubyte.gz",
        "t10k-labels-idx1-ubyte.gz",
    )
    return tuple(Source(base + name, md5, f"{folder}/{name}") for name, md5 in zip(names, sums))


def _cifar(name, md5):
    return (Source(f"https://www.cs.toronto.edu/~kriz/{name}", md5, name),)


SOURCES = {
    "cifar10": _cifar("cifar-10-binary.tar.gz", "c32a1d4ab5d03f1284b67883e8d87530"),
    "cifar100": _cifar("cifar-100-binary.tar.gz", "03b5dce01913d631647c71ecec9e9cb8"),
    "fashion_mnist": _idx(
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "fashion_mnist",
        (
            "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            "25c81989df183df01b3e8a0aad5dffbe",
            "bef4ecab320f06d8554ea6380940ec79",
            "bb300cfdad3c16e7a12a480ee83cd310",
        ),
    ),
    "kmnist": _idx(
        "http://codh.rois.ac.jp/kmnist/dataset/kmnist/",
        "kmnist",
        (
            "bdb82020997e1d708af4cf47b453dcf7",
            "e144d726b3acfaa3e44228e80efcd344",
            "5c965bf0a639b31b8f53240b1b52f4d7",
            "7320c461ea6c1c855c0b718fb2a4b134",
        ),
    ),
    "mnist": _idx(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "mnist",
        (
            "f68b3c2dcbeaaa9fbdd348bbdeb94873",
            "d53e105ee54ea40749a09fcbcd1e9432",
            "9fb629c4189551a2d022fa330f9573f3",
            "ec29112dd5afa0611ce80d1b7f02629c",
        ),
    ),
}


def download(name: str, data_dir: StrPath, *, progress: bool = True, sources: Mapping[str, Any] = SOURCES) -> Any:
    """Fetch the files of a data set into ``data_dir``, where ``load(name, …, data_dir)`` finds them.

    A file that is there with the right MD5 sum is kept, one with another is never overwritten. A file appears under
    its name only when it is complete. progress: show a bar on stderr. sources: {name: tuple of Source}.
    Raises RangeError for an unknown name, DataFileError where a file cannot be fetched, with the way to do it by hand.
    """
    import http.client  # a fifth of the time that ``import minires`` would take
    import urllib.error

    if name not in sources:
        raise RangeError(f"download: name is {name!r}, expected one of {', '.join(sorted(sources))}: choose one")
    for source in sources[name]:
        target = place(data_dir) / source.file
        try:
            check_folder(data_dir)
            if target.exists():
                check(target, md5_of(target), source, "move the file away and download again")
            else:
                make_folder(target.parent)
                fetch(source, target, progress)
        except (DataFileError, RangeError):
            raise
        except (OSError, http.client.HTTPException, ValueError) as error:
            if isinstance(error, urllib.error.HTTPError):
                error.close()  # it is also the server's answer, with an open connection
            raise DataFileError(
                f"{target}: cannot be fetched from {source.address} ({error}): {by_hand(source, target)}"
            ) from error


def by_hand(source, target):
    """The sentence that says how to do without this function."""
    return (
        f"on a machine with internet fetch {source.address} (MD5 {source.md5}) and put it as {target.name} "
        f"into the folder {target.parent}"
    )


def fetch(source, target, progress):
    """Fetch one file and check it; only then it is there."""
    with written_whole(target) as file:
        digest = copy(source, file, progress)
        check(source.address, digest, source, f"nothing was kept; try again, or {by_hand(source, target)}")


def copy(source, file, progress):
    """Copy the bytes at the address to ``file`` and return their MD5 sum."""
    import urllib.request

    from tqdm import tqdm

    digest, received = hashlib.md5(usedforsecurity=False), 0
    with urllib.request.urlopen(source.address, timeout=TIMEOUT) as response:
        length = response.headers.get("Content-Length")
        announced = int(length) if length is not None else None
        with tqdm(total=announced, unit="B", unit_scale=True, desc=source.file, disable=not progress) as bar:
            while chunk := response.read(CHUNK):
                received += len(chunk)
                if received > MAX_BYTES:
                    raise broken(source.address, "size", f"more than {MAX_BYTES} bytes", f"at most {MAX_BYTES} bytes")
                digest.update(chunk)
                file.write(chunk)
                bar.update(len(chunk))
    if announced is not None and received != announced:
        raise broken(
            source.address,
            "size",
            f"{received} bytes",
            f"{announced} bytes",
            "the connection broke; nothing was kept, try again",
        )
    return digest.hexdigest()


def md5_of(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def check(path, found, source, remedy):
    if found != source.md5:
        raise broken(path, "MD5 sum", found, source.md5, remedy)
