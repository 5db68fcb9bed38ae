"""Which data set images are from, told by the images themselves: the sets of the MNIST family share their file names.

Of each set the CRC-32 of about one image in 1024 is known, those whose sum is a multiple of 1024. So a file is
recognised however it is called, in whatever order its images stand, and a part of some thousand images as well.
Of Kuzushiji-MNIST and EMNIST no such sums are here: images of theirs are of an unknown set.
"""

import hashlib
import zlib

from minires.data.sources import SOURCES
from minires.errors import DataFileError

ONE_IN = 1024
ENOUGH = 2  # chance alone gives one of 70,000 other images a sum of a list in one of 900 cases
IMAGES = {
    "fashion_mnist": frozenset(
        int(part, 36)
        for part in """
        2in8 2ucv 2xjm 4clt 595v 75ih 8gnv aby2 b2us cy2u czjc ekwm fjsm gb3c gh03 gmm0 jkmv juj9 k5vu kmfh limj nsqf
        ojb5 p4t1 q5fv tpbq tyup wif8 x495 xwfg ygkx 10h38 119ga 11ra6 12czn 14923 14b9e 14hgr 14skk 17mxw 17oky 195li
        1avuj 1h1n6 1hlei 1jz88 1klnc 1mqux 1nadk 1qgmb 1re4w 1s27f 1slwz 1tq2p 1ts7x 1v77x 1x0dx 1y3l4 1zx12 20c86
        22mb0 230px 24wj8 25gs2 26wij 2avwk 2dtbi
    """.split()
    ),
    "mnist": frozenset(
        int(part, 36)
        for part in """
        8j7 hr0 1gh4 259j 2yv7 3xu6 4bzh 54f1 79ki 8vkp 9a8y 9i90 9zez a7w9 agkk bw6f cy2m dmd0 e9mk e9uw exv2 frzx hqwq
        it7d o0eo ojhc pqq4 ran6 rzjo s5m2 sn17 ussi wu6k yw7m z9u0 zdbo 113kq 11tl2 12nbx 131da 1401r 16973 179n1 18or3
        1bcwf 1dcgc 1dhd1 1ezg2 1fhgl 1g4q8 1gcx0 1i2m0 1ik6w 1jmy3 1kdgh 1po38 1r2m7 1r9x9 1rs3g 1wsj2 22jsh 23qe6
        26wlj 279b7 28wnt 29opn 2b0jw 2cwvq 2dpet 2g0pm
    """.split()
    ),
}


def set_of(images):
    """The name of the data set that most of the images (N, H, W) uint8 with known sums are from, or None."""
    sums = {zlib.crc32(image.data) for image in images}
    sums = {value // ONE_IN for value in sums if value % ONE_IN == 0}
    hits = {name: len(sums & known) for name, known in IMAGES.items()}
    best = max(hits, key=hits.get)
    return best if hits[best] >= ENOUGH else None


def require_set(name, path, images):
    """Raise DataFileError where the images (N, H, W) read from ``path`` are from another set than ``name``."""
    found = set_of(images)
    if found is None:
        found = set_of_file(path)
    if found not in (None, name):
        raise DataFileError(
            f"{path} holds images of {found}, expected {name}: take --data {found}, or give the folder of {name}"
        )


def set_of_file(path):
    """The name of the set that an official packed file belongs to, by its MD5 sum, or None."""
    if not path.name.endswith(".gz"):
        return None
    with open(path, "rb") as file:
        found = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    return next((name for name, files in SOURCES.items() for file in files if file.md5 == found), None)
