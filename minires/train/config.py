"""TrainConfig: everything that decides the numbers of a training, in one place that can be written to a file."""

import dataclasses
import difflib
import json
from dataclasses import dataclass
from typing import Any, Literal, Self

from ..errors import DTypeError, RangeError
from .fields import OPTIONAL, checks
from .options import model_options


@dataclass(frozen=True)
class TrainConfig:
    """Settings of a training. The same settings on the same machine give the same weights, bit for bit."""

    model: str = "resnet20"
    """Name of the network: resnet20, preact_resnet20, wrn_16_4, densenetbc_40_12; minires models lists all families."""

    block: str | None = None
    """Where the activations of a residual block stand, such as full_preact; minires models lists the kinds."""

    shortcut: str | None = None
    """Kind of shortcut: A, A-both, B, C, or one that minires models lists. None leaves the choice to the model."""

    option: tuple[str, ...] = ()
    """Any option of the network's family, as KEY=VALUE, such as dropout=0.3; minires models NAME lists them."""

    weights: str | None = None
    """File of weights to start from, of any kind that minires eval takes; for other classes it gets a new head."""

    weights_sha256: str | None = None
    """SHA-256 that the file of weights must have. A run notes here which one it had."""

    entry: str | None = None
    """Which of several sets of weights in the file, such as state_dict_ema; needed where more than one fits."""

    freeze_but: tuple[str, ...] = ()
    """Train these layers alone, by path; head stands for the last linear layer. What is frozen keeps the statistics of
    its batch norms. Empty: train all."""

    data: str = "fashion_mnist_12k"
    """Name of the data set."""

    data_dir: str = "data"
    """Folder with the files of data sets that minires does not bring along."""

    image: int | None = None
    """Data folder: rows and columns to which each picture is scaled, its sides in their ratio, and then cut."""

    test_part: float | None = None
    """Data folder, without a folder test or val: the part of each class that is the test set, such as 0.2."""

    epochs: int = 10
    """Passes over the training images."""

    batch_size: int = 64
    """Images in a batch."""

    accumulate: int = 1
    """Batches whose gradients are added up before a step: as one batch of all their images, in less memory. Batch norm
    still takes the statistics of each."""

    optimizer: Literal["sgd", "adamw"] = "sgd"
    """Update rule."""

    lr: float = 0.1
    """Highest learning rate; for adamw about 0.001."""

    scale_lr: Literal["none", "linear", "sqrt"] = "none"
    """lr is that for lr_batch images a step. With more or fewer of them, batch_size times accumulate on all ranks
    together, it is multiplied by their ratio, linear, or by its root, sqrt. Where it grows and warmup is 0, the first
    twentieth of the steps is the warm-up; schedule one-cycle has one of its own."""

    lr_batch: int = 64
    """See scale_lr."""

    momentum: float = 0.9
    """Momentum of sgd, from 0 to below 1."""

    nesterov: bool = False
    """Nesterov's form of the momentum of sgd."""

    weight_decay: float = 5e-4
    """Weight decay."""

    decay_all: bool = True
    """Weight decay for batch-norm parameters and biases too, not for weights alone."""

    scalar_rate: float = 1.0
    """Learning rate of parameters that are single numbers, as a part of lr: networks with init=fixup want 0.1."""

    clip_norm: float | None = None
    """Largest norm of all gradients together; longer ones are scaled down to it before a step. None leaves them."""

    label_smoothing: float = 0.0
    """Part of each label's weight that is spread evenly over all classes, from 0 to below 1."""

    class_weights: tuple[float, ...] = ()
    """Weight of each class in the loss, in the order of the classes; the loss is the weighted mean."""

    ignore_index: int | None = None
    """Index of a class whose images count neither in the loss nor in the accuracy."""

    batch_norm: Literal["local", "global"] = "local"
    """On several ranks: the statistics of batch norm are those of each rank's share of a batch, local, or of all of it,
    global, for which the ranks exchange sums in forward and backward. Then they compute what one process computes."""

    reduction: Literal["ordered", "fast"] = "ordered"
    """On several ranks: gradients are added in the order of the ranks, which fixes the bits, or as MPI likes it."""

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
    the data set: crop-flip for CIFAR and folders, flip for clothes, none for digits, letters and npz."""

    mixup: float = 0.0
    """Blend the images of a batch in pairs, with shares of the label, drawn from Beta(mixup, mixup); 0 does not, 0.2 is
    usual. The accuracy in training then counts the class with the larger share."""

    cutmix: float = 0.0
    """Replace a box of each image by that of another one, with shares of the label by Beta(cutmix, cutmix); 0 does not,
    1 is usual. The accuracy in training: see mixup."""

    seed: int = 0
    """Seed of the initial weights, the order of the images and their augmentation."""

    device: str = "cpu"
    """Where to compute: cpu (NumPy), cuda (CuPy), or cuda:1, a GPU by its number."""

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
        mix = " and ".join(name for name in ("mixup", "cutmix") if getattr(self, name))
        if mix == "mixup and cutmix":
            raise RangeError(f"mixup is {self.mixup} and cutmix {self.cutmix}, expected one of them: set one to 0")
        if mix and self.ignore_index is not None:
            raise RangeError(f"{mix} mixes labels, ignore_index {self.ignore_index} leaves one out: leave one of them")
        for name in ("weights_sha256", "entry"):
            if self.weights is None and getattr(self, name) is not None:
                raise RangeError(f"{name} is {getattr(self, name)!r}, but weights is None: set weights to the file")
        if self.option:
            model_options(self)  # raises where one is no KEY=VALUE

    def to_dict(self) -> dict[str, Any]:
        """The fields as a dict that JSON can hold."""
        fields = dataclasses.asdict(self)
        return {name: list(value) if isinstance(value, tuple) else value for name, value in fields.items()}

    def to_json(self) -> str:
        """The fields as JSON text, one a line."""
        return json.dumps(self.to_dict(), indent=2) + "\n"

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> Self:
        """The config that :meth:`to_dict` gave. Missing fields take their defaults, unknown ones are an error."""
        known = [f.name for f in dataclasses.fields(cls)]
        for name in fields:
            if name not in known:
                near = " or ".join(difflib.get_close_matches(name, known, n=2)) or ", ".join(known)
                raise RangeError(f"TrainConfig has no field {name!r}: did you mean {near}?")
        values: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in fields.items()}
        return cls(**values)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The config that :meth:`to_json` wrote."""
        return cls.from_dict(json.loads(text))


CHECKS = checks(TrainConfig.__annotations__)
