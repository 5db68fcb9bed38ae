"""The data of a training: both splits as its configuration says, and whether they belong together."""

from dataclasses import replace

from ..data import load
from ..data.folder import test_folder
from ..errors import DataFileError, DTypeError, RangeError, ShapeError

FOLDER_ONLY = ("image", "test_part")


def load_split(config, split):
    """The "train" or "test" split of a :class:`~minires.train.TrainConfig`. Errors: see :func:`~minires.data.load`."""
    for name in FOLDER_ONLY:
        if config.data != "folder" and (value := getattr(config, name)) is not None:
            raise RangeError(f"{name} is {value} for {config.data}, expected None: it is for --data folder alone")
    return load(config.data, split, config.data_dir, size=config.image, test_part=config.test_part)


def with_data(config, **place):
    """The configuration for other data: ``place`` sets its fields. What belongs to a folder stays with folders, and no
    part is split off where another folder has test images of its own.
    """
    if place.get("data", config.data) != config.data:
        config = replace(config, **dict.fromkeys(FOLDER_ONLY))
    elif config.test_part is not None and place.get("data_dir", config.data_dir) != config.data_dir:
        if test_folder(place["data_dir"]) is not None:
            config = replace(config, test_part=None)
    return replace(config, **place)


def require_same_kind(train, test):
    """Raise unless both data sets have the same classes in the same order, and images of one kind and shape."""
    require_classes(test, train.classes, f"the training images of {train.name}")
    if train.is_uint8 != test.is_uint8:
        raise DTypeError(
            f"the test images of {test.name} are {test.images.dtype}, those for training {train.images.dtype}: "
            "convert them, both uint8 or both floats"
        )
    (_, *shape), (_, *other) = train.images.shape, test.images.shape
    if shape != other and (len(shape), len(other)) != (3, 3):
        raise ShapeError(
            f"the test images of {test.name} have the shape {tuple(other)} each, those for training {tuple(shape)}: "
            "convert them"
        )
    if shape != other:
        axis = next(i for i in range(3) if shape[i] != other[i])
        remedy = "convert them" if axis == 0 else "cut all images to one size: size=64 in Python, --image 64"
        raise ShapeError(
            f"the test images of {test.name} have {other[axis]} {('channels', 'rows', 'columns')[axis]} (axis "
            f"{axis + 1}), those for training {shape[axis]}: {remedy}"
        )


def require_classes(dataset, classes, whose):
    """Raise DataFileError unless the classes of ``dataset`` are ``classes``: labels are their indices."""
    if list(dataset.classes) != list(classes):
        pairs = zip((*dataset.classes, None), (*classes, None))
        i, (found, expected) = next((i, pair) for i, pair in enumerate(pairs) if pair[0] != pair[1])
        raise DataFileError(
            f"{dataset.name}: class {i} of {len(dataset.classes)} is {found!r}, expected {expected!r} as class {i} of "
            f"{len(classes)} of {whose}: labels count the classes, so both need the same names in the same order"
        )
