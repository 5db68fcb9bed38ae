"""From a TrainConfig to what takes part in a training: model, data, loaders, loss, optimiser."""

from collections.abc import Iterable

import numpy as np

from .. import models
from ..backend import device_of, to_device
from ..data import CropFlip, CutMix, Loader, Mixup, Normalize
from ..data.mnist import IDX_SETS
from ..errors import RangeError
from ..layers.base import Layer, Param
from ..losses import SoftmaxCrossEntropy
from .config import TrainConfig
from .optim import SGD, AdamW, Optimizer
from .options import model_options
from .splits import load_split

AUGMENTATIONS = {"none": None, "flip": CropFlip(pad=0), "crop": CropFlip(flip=False), "crop-flip": CropFlip()}
SUITABLE = {name: "none" for name in (*IDX_SETS, "digits", "npz")}  # mirrored digits are no digits
SUITABLE |= {"fashion_mnist": "flip", "fashion_mnist_12k": "flip"}


def build_model(config: TrainConfig, *, num_classes: int, in_channels: int) -> Layer:
    """The model of a :class:`TrainConfig` with its initial weights, on the CPU."""
    return models.build(
        config.model, num_classes=num_classes, in_channels=in_channels, rng=config.seed, **model_options(config)
    )


def load_data(config):
    """(training, test), each a :class:`~minires.data.Dataset`, that the configuration names."""
    return tuple(load_split(config, split) for split in ("train", "test"))


def limited(dataset, limit):
    """``limit`` images drawn at random, but the same ones always: files may be sorted by class."""
    if limit is None or limit >= len(dataset):
        return dataset
    return dataset.subset(np.random.default_rng(0).permutation(len(dataset))[:limit])


def facts_of(train):
    """What a checkpoint keeps of the training images."""
    normalize = Normalize.of(train)
    return {
        "name": train.name,
        "images": len(train),
        "channels": train.images.shape[1],
        "classes": list(train.classes),
        "mean": normalize.mean.tolist(),
        "std": normalize.std.tolist(),
    }


def make_loaders(config, model, train, test, facts, raw=False):
    """(loader of the training images, as bytes where ``raw``, that of the test images, sentences for the user)."""
    dtype = next((p.data.dtype for _, p in model.params()), np.float32)
    normalize = Normalize(facts["mean"], facts["std"])
    common = {"seed": config.seed, "normalize": normalize, "dtype": dtype}
    kind = _augmentation(config, train)
    notes = []
    if config.batch_size > 1 and len(train) > 1 and len(train) % config.batch_size == 1:
        if error := why_not_one(model, normalize(train.images[:1], dtype)):
            notes.append(
                f"{len(train)} training images in batches of {config.batch_size} leave one over, which this network "
                f"cannot train on alone: each epoch leaves one out ({error})"
            )
    train_loader = Loader(
        train,
        config.batch_size,
        shuffle=True,
        augment=AUGMENTATIONS[kind],
        mix=_mix(config, len(train.classes)),
        drop_last=bool(notes),
        raw=raw,
        prefetch=config.prefetch * config.accumulate,
        **common,
    )
    return train_loader, Loader(test, config.batch_size, shuffle=False, prefetch=config.prefetch, **common), notes


def why_not_one(model, x):
    """The error of a training forward of ``model`` on ``x``, a batch of one; None if there is none. Nothing changes."""
    held = [(t, t.data, t.data.copy()) for _, t in model.tensors() if not isinstance(t, Param)]
    states = [(rng, rng.bit_generator.state) for _, rng in model.generators()]
    x = next((to_device(x, device_of(t.data)) for _, t in model.tensors()), x)
    try:
        with np.errstate(all="ignore"):
            model.forward(x, train=True)
    except Exception as error:  # of any kind: layers of users have their own
        return error
    finally:
        for t, array, copy in held:
            array[...] = copy
            t.data = array
        for rng, state in states:
            rng.bit_generator.state = state
    return None


def _augmentation(config, train):
    """The key of AUGMENTATIONS for the training images; none for what is no image."""
    are_images = train.images.ndim == 4
    for setting, value in (("augment", config.augment), ("cutmix", config.cutmix)):
        if not are_images and value and value not in ("auto", "none"):
            raise RangeError(
                f"{setting} is {value!r}, but {train.name} has no images, its examples have the shape "
                f"{train.images.shape[1:]}: leave {setting} out"
            )
    if config.augment != "auto":
        return config.augment
    return SUITABLE.get(train.name, "crop-flip") if are_images and train.is_uint8 else "none"


def _mix(config, classes):
    if config.mixup:
        return Mixup(config.mixup, classes)
    return CutMix(config.cutmix, classes) if config.cutmix else None


def build_loss(config, train, test):
    """The loss of a :class:`~minires.train.TrainConfig` for the classes of the images."""
    classes, weights, left_out = len(train.classes), config.class_weights, config.ignore_index
    if weights and len(weights) != classes:
        raise RangeError(
            f"class_weights has {len(weights)} numbers, {train.name} has {classes} classes: give one a class"
        )
    for images in (train, test):
        if left_out is not None and (images.labels == left_out).all():
            raise RangeError(
                f"ignore_index is {left_out}, the label of all {len(images)} images of a part of {images.name}, "
                "expected others too: change ignore_index"
            )
    return SoftmaxCrossEntropy(config.label_smoothing, weight=weights or None, ignore_index=left_out)


def build_optimizer(config: TrainConfig, params: Iterable[tuple[str, Param]]) -> Optimizer:
    """The optimiser of a :class:`~minires.train.TrainConfig` for the pairs ``params``."""
    common = {name: getattr(config, name) for name in ("lr", "weight_decay", "decay_all", "scalar_rate")}
    if config.optimizer == "adamw":
        return AdamW(params, **common)
    return SGD(params, momentum=config.momentum, nesterov=config.nesterov, **common)
