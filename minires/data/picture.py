"""One picture, from its file to pixels. Needs Pillow (``pip install 'minires[images]'``)."""

import warnings

import numpy as np

from minires.errors import DataFileError
from minires.files.bounded import broken, reading
from minires.files.kind import HEAD, PICTURE, UNKNOWN, kind_of

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "PPM", "TIFF", "WEBP")
MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr")  # 8 bits a channel at most
MAX_PIXELS = 1 << 26  # of one image file
READABLE = ("a PNG picture", "a JPEG picture")
PAPER = (255, 255, 255)  # what lies under transparent pixels: white


def read_image(path, size=None):
    """Return pixels (H, W, 3) uint8 of an image file, upright as its EXIF data say; transparent pixels lie on white.

    size: (H, W); the image is then scaled, its sides in their ratio, to cover that, and its middle is cut out.
    Of an animation the first image counts. Raises DataFileError.
    """
    require_pillow(path)
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the size is checked below; the other warnings are about metadata
        try:
            with Image.open(path, formats=FORMATS) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise broken(
                        path,
                        "size (H, W)",
                        (image.height, image.width),
                        f"at most {MAX_PIXELS} pixels",
                        "make the image smaller",
                    )
                if image.mode not in MODES:
                    raise broken(
                        path, "mode", image.mode, f"one of {', '.join(MODES)}", "save the image with 8 bits a channel"
                    )
                return as_pixels(image, size)
        except DataFileError:
            raise
        except Exception as error:  # decoders raise errors of every type on damaged files
            raise unreadable(path, error) from error


def as_pixels(image, size):
    """Return pixels (H, W, 3) uint8 of an image of Pillow."""
    from PIL import Image, ImageOps

    image = ImageOps.exif_transpose(image)
    if image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info:
        image = Image.alpha_composite(Image.new("RGBA", image.size, PAPER), image.convert("RGBA"))
    image = image.convert("RGB")
    if size is not None:
        image = ImageOps.fit(image, size[::-1], Image.Resampling.BILINEAR)
    return np.asarray(image)


def unreadable(path, error):
    """The DataFileError of a file that is no picture, or a damaged one."""
    if path.is_dir():
        return DataFileError(f"{path} is a folder, expected a picture: move its pictures into the folder of the class")
    with reading(path), open(path, "rb") as file:
        what, remedy = kind_of(file.read(HEAD))
    if what in READABLE or what.startswith(UNKNOWN):
        what = f"not a readable image ({error})"
    if remedy != PICTURE:
        remedy = "replace it, or move it out of the folder"
    return DataFileError(f"{path} is {what}, expected a picture ({', '.join(FORMATS)}): {remedy}")


def require_pillow(path):
    """Raise DataFileError where Pillow is not installed."""
    try:
        import PIL  # noqa: F401
    except ImportError as error:
        raise DataFileError(f"{path}: reading images needs Pillow: pip install 'minires[images]'") from error
