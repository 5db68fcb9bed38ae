"""Folders of images: one sub-folder a class. Needs Pillow (``pip install 'minires[images]'``)."""

import warnings
from pathlib import Path

import numpy as np

from minires.errors import DataFileError, RangeError
from minires.files.bounded import broken, reading

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "PPM", "TIFF", "WEBP")
MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr")  # 8 bits a channel at most
MAX_PIXELS = 1 << 26  # of one image file
MAX_BYTES = 1 << 33  # of all images together, which stay in memory


def read_folder(folder, size=None):
    """Return images (N, 3, H, W) uint8, labels (N,) int64 and the sorted names of the sub-folders, the classes.

    Images are in the order of class and file name. Names that begin with a dot are passed over.
    size: (H, W) to which each image is resized, bilinearly and without keeping the ratio of its sides; without it all
    images must have one size. Raises DataFileError.
    """
    if size is not None and not (isinstance(size, tuple) and len(size) == 2
                                 and all(isinstance(side, int) and side > 0 for side in size)):
        raise RangeError(f"read_folder: size is {size!r}, expected two positive integers (H, W): correct it")
    paths, labels, classes = list_images(Path(folder))
    height, width = shape = size or read_image(paths[0], None).shape[:2]
    total = len(paths) * height * width * 3
    if total > MAX_BYTES:
        raise broken(folder, f"size of {len(paths)} images of {height} x {width}", f"{total} bytes",
                     f"at most {MAX_BYTES} bytes", "take fewer images, or a smaller size=(H, W)")
    images = np.empty((len(paths), 3, height, width), np.uint8)
    for image, path in zip(images, paths):
        pixels = read_image(path, size)
        if pixels.shape[:2] != shape:
            raise broken(path, "size (H, W)", pixels.shape[:2], f"{shape} as in {paths[0]}",
                         "give all images one size, or set size=(H, W) to resize them")
        image[...] = pixels.transpose(2, 0, 1)
    return images, np.array(labels, np.int64), classes


def list_images(folder):
    """Return paths, labels and class names."""
    if not folder.is_dir():
        raise DataFileError(f"{folder}: there is no such folder: give the folder that holds one sub-folder a class")
    classes = tuple(path.name for path in visible(folder) if path.is_dir())
    if not classes:
        raise DataFileError(f"{folder}: there are no sub-folders: make one a class and put its images there")
    paths, labels = [], []
    for label, name in enumerate(classes):
        found = visible(folder / name)
        if not found:
            raise DataFileError(f"{folder / name}: the class holds no image: add images or remove the folder")
        paths += found
        labels += [label] * len(found)
    return paths, labels, classes


def visible(folder):
    with reading(folder):
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def read_image(path, size):
    """Return pixels (H, W, 3) uint8 of an image file."""
    try:
        from PIL import Image
    except ImportError as error:
        raise DataFileError(f"{path}: reading images needs Pillow: pip install 'minires[images]'") from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the size is checked below; the other warnings are about metadata
        try:
            with Image.open(path, formats=FORMATS) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise broken(path, "size (H, W)", (image.height, image.width), f"at most {MAX_PIXELS} pixels",
                                 "make the image smaller")
                if image.mode not in MODES:
                    raise broken(path, "mode", image.mode, f"one of {', '.join(MODES)}",
                                 "save the image with 8 bits a channel")
                image = image.convert("RGB")
                return np.asarray(image if size is None else image.resize(size[::-1], Image.Resampling.BILINEAR))
        except DataFileError:
            raise
        except Exception as error:  # decoders raise errors of every type on damaged files
            raise DataFileError(f"{path}: not a readable image ({error}): replace it, or move it out of the folder; "
                                f"formats read are {', '.join(FORMATS)}") from error
