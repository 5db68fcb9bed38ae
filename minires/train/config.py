"""TrainConfig: everything that decides the numbers of a training, in one place that can be written to a file."""

import dataclasses
import difflib
import json
import math
from dataclasses import dataclass
from typing import Literal, get_args

from .. import models
from ..errors import DTypeError, RangeError


@dataclass(frozen=True)
class TrainConfig:
    """Settings of a training. The same settings on the same machine give the same weights, bit for bit."""

    model: str = "resnet20"
    """Name of the network: resnet20, preact_resnet20, wrn_16_4, densenetbc_40_12; minires models lists all families."""

    block: str | None = None
    """Where the activations of a residual block stand, such as full_preact; minires models lists the kinds."""

    shortcut: str | None = None
    """Kind of shortcut: A, A-both, B, C, or one that minires models lists. None leaves the choice to the model."""

    data: str = "fashion_mnist_12k"
    """Name of the data set."""

    data_dir: str = "data"
    """Folder with the files of data sets that minires does not bring along."""

    epochs: int = 10
    """Passes over the training images."""

    batch_size: int = 64
    """Images per step."""

    optimizer: Literal["sgd", "adamw"] = "sgd"
    """Update rule."""

    lr: float = 0.1
    """Highest learning rate; for adamw about 0.001."""

    momentum: float = 0.9
    """Momentum of sgd, from 0 to below 1."""

    nesterov: bool = False
    """Nesterov's form of the momentum of sgd."""

    weight_decay: float = 5e-4
    """Weight decay."""

    decay_all: bool = True
    """Weight decay for batch-norm parameters and biases too, not for weights alone."""

    label_smoothing: float = 0.0
    """Part of each label's weight that is spread evenly over all classes, from 0 to below 1."""

    schedule: Literal["constant", "steps", "cosine", "one-cycle"] = "one-cycle"
    """Course of the learning rate over the training."""

    milestones: tuple[float, ...] = (0.5, 0.75)
    """Schedule steps: where the learning rate is multiplied by gamma, as parts of the training from 0 to 1."""

    gamma: float = 0.1
    """Schedule steps: the factor at each milestone."""

    warmup: int = 0
    """Steps at the start over which the learning rate rises linearly."""

    augment: Literal["auto", "none", "flip", "crop", "crop-flip"] = "auto"
    """Random change of the training images: horizontal flips, crops after padding by 4 pixels. auto takes what suits
    the data set: crop-flip for CIFAR and folders, flip for clothes, none for digits."""

    seed: int = 0
    """Seed of the initial weights, the order of the images and their augmentation."""

    device: Literal["cpu", "cuda"] = "cpu"
    """Where to compute: cpu (NumPy) or cuda (CuPy)."""

    engine: Literal["compiled", "reference"] = "compiled"
    """How to compute on the CPU: compiled (minires.compile, fast) or reference (the layers as they are written). They
    differ by rounding."""

    run_dir: str | None = None
    """Folder for the results. None makes a new one below runs/, named after the model, the data and the seed."""

    log_every: int = 20
    """Steps between two lines of metrics.jsonl; the loss is read, and checked to be finite, that often."""

    checkpoint_every: int = 500
    """Steps between two checkpoints; the end of an epoch writes one too."""

    limit_train: int | None = None
    """Use only that many training images, for quick tries."""

    limit_test: int | None = None
    """Use only that many test images, for quick tries."""

    prefetch: int = 2
    """Batches prepared ahead in the background; 0 prepares each when it is needed."""

    def __post_init__(self):
        for name, kind, expected, holds in CHECKS:
            value = getattr(self, name)
            if name in OPTIONAL and value is None:
                continue
            if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
                raise DTypeError(f"{name} is {value!r} ({type(value).__name__}), expected {expected}: change {name}")
            if not holds(value):
                raise RangeError(f"{name} is {value!r}, expected {expected}: change {name}")
        if self.optimizer == "sgd" and self.nesterov and self.momentum == 0:
            raise RangeError("momentum is 0, nesterov needs more: set momentum to 0.9 or nesterov to False")

    def to_dict(self):
        """The fields as a dict that JSON can hold."""
        return dataclasses.asdict(self) | {"milestones": list(self.milestones)}

    def to_json(self):
        """The fields as JSON text, one a line."""
        return json.dumps(self.to_dict(), indent=2) + "\n"

    @classmethod
    def from_dict(cls, fields):
        """The config that :meth:`to_dict` gave. Missing fields take their defaults, unknown ones are an error."""
        known = [f.name for f in dataclasses.fields(cls)]
        for name in fields:
            if name not in known:
                near = " or ".join(difflib.get_close_matches(name, known, n=2)) or ", ".join(known)
                raise RangeError(f"TrainConfig has no field {name!r}: did you mean {near}?")
        fields = dict(fields)
        if isinstance(fields.get("milestones"), list):
            fields["milestones"] = tuple(fields["milestones"])
        return cls(**fields)

    @classmethod
    def from_json(cls, text):
        """The config that :meth:`to_json` wrote."""
        return cls.from_dict(json.loads(text))


def build_model(config, *, num_classes, in_channels):
    """The model of a :class:`TrainConfig` with its initial weights, on the CPU."""
    options = {name: getattr(config, name) for name in ("block", "shortcut") if getattr(config, name) is not None}
    return models.build(config.model, num_classes=num_classes, in_channels=in_channels, rng=config.seed, **options)


OPTIONAL = ("block", "shortcut", "run_dir", "limit_train", "limit_test")
NUMBER = (int, float)


def _choice(name):
    choices = get_args(TrainConfig.__annotations__[name])
    return name, str, f"one of {', '.join(choices)}", lambda v: v in choices


def _text(name):
    return name, str, "a name that is not empty", lambda v: v != ""


def _is_part(value):
    return isinstance(value, NUMBER) and 0 <= value <= 1


def _at_least(least, *names):
    return [(name, int, f"an integer of at least {least}", lambda v: v >= least) for name in names]


CHECKS = (  # field, type, the values that make sense in words, and as a test that NaN fails
    *map(_text, ("model", "block", "shortcut", "data", "data_dir", "run_dir")),
    *map(_choice, ("optimizer", "schedule", "augment", "device", "engine")),
    *_at_least(1, "epochs", "batch_size", "log_every", "checkpoint_every", "limit_train", "limit_test"),
    *_at_least(0, "warmup", "seed", "prefetch"),
    *((name, bool, "True or False", lambda v: True) for name in ("nesterov", "decay_all")),
    ("lr", NUMBER, "a finite number above 0", lambda v: 0 < v < math.inf),
    ("momentum", NUMBER, "a number from 0 to below 1", lambda v: 0 <= v < 1),
    ("weight_decay", NUMBER, "a finite number of at least 0", lambda v: 0 <= v < math.inf),
    ("label_smoothing", NUMBER, "a number from 0 to below 1", lambda v: 0 <= v < 1),
    ("gamma", NUMBER, "a number above 0, at most 1", lambda v: 0 < v <= 1),
    ("milestones", tuple, "parts of the training, each a number from 0 to 1", lambda v: all(map(_is_part, v))),
)
