"""Training: the loop over steps and epochs, which logs, saves, and stops between two steps when asked to."""

import math
import shlex
import signal
import time
from pathlib import Path

import numpy as np

from ..backend import require_device, to_device
from ..data import CropFlip, Loader, Normalize, load
from ..engine import compile
from ..errors import CheckpointError, NumericError
from ..losses import SoftmaxCrossEntropy
from .checkpoint import FILE, Position, save_checkpoint
from .config import build_model
from .interrupt import Interrupted, StopRequested, StopSignals
from .log import MetricsLog, Progress, draw_curves
from .optim import SGD, AdamW
from .schedule import learning_rate
from .step import evaluate_batches, train_step

AUGMENTATIONS = {
    "none": None,
    "flip": CropFlip(pad=0),
    "crop": CropFlip(flip=False),
    "crop-flip": CropFlip(),
}
SUITABLE = {"mnist": "none", "fashion_mnist": "flip", "fashion_mnist_12k": "flip"}  # mirrored digits are no digits
REDRAW_SECONDS = 15


class Training:
    """Everything that takes part in a training, and how far it has come. ``config.run_dir`` is a folder that exists."""

    def __init__(self, config, model=None, data=None):
        require_device(config.device)
        train, test = data or [load(config.data, split, config.data_dir) for split in ("train", "test")]
        train, test = limited(train, config.limit_train), limited(test, config.limit_test)
        normalize = Normalize.of(train)
        self.config = config
        self.data = {
            "name": train.name,
            "images": len(train),
            "channels": train.images.shape[1],
            "classes": list(train.classes),
            "mean": normalize.mean.tolist(),
            "std": normalize.std.tolist(),
        }
        common = {"seed": config.seed, "normalize": normalize, "prefetch": config.prefetch}
        kind = SUITABLE.get(train.name, "crop-flip") if config.augment == "auto" else config.augment
        augment = AUGMENTATIONS[kind]
        self.train_loader = Loader(train, config.batch_size, shuffle=True, augment=augment, **common)
        self.test_loader = Loader(test, config.batch_size, shuffle=False, **common)
        if model is None:
            model = build_model(config, num_classes=len(train.classes), in_channels=train.images.shape[1])
        self.model = model.to(device=config.device)
        self.network = compile(model, input_gradient=False) if config.engine == "compiled" else model
        self.loss = SoftmaxCrossEntropy(config.label_smoothing)
        self.optimizer = build_optimizer(config, self.model.params())
        self.position = Position()
        self.summary = {}  # the last epoch's line of metrics.jsonl

    def restore(self, checkpoint):
        """Take over the state of a :class:`~minires.train.Checkpoint`; the data must be those it was written with."""
        for name, value in checkpoint.data.items():
            if self.data[name] != value:
                raise CheckpointError(
                    f"{checkpoint.path} comes from training data whose {name} is {value}, found {self.data[name]}: "
                    "resume with the same data"
                )
        checkpoint.restore(self.model, self.optimizer)
        self.position, self.summary = checkpoint.position, checkpoint.summary

    def save(self):
        """Write the checkpoint, unless the loss shows that the training has diverged."""
        self._require_finite("mean loss of the epoch", self.position.loss_sum)
        save_checkpoint(
            Path(self.config.run_dir) / FILE,
            self.model,
            self.optimizer,
            config=self.config,
            data=self.data,
            position=self.position,
            summary=self.summary,
        )

    def run(self):
        """Train from the position to the end of the last epoch."""
        at = self.position
        self.began = time.monotonic() - at.seconds
        self.drawn = time.monotonic()
        self.progress = Progress(self.config.epochs)
        self.log = MetricsLog(self.config.run_dir, step=at.step, epoch=at.epoch)
        try:
            # divergence is reported as a NumericError that says what to do; NumPy's warnings would only repeat it
            with StopSignals() as self.stop, np.errstate(all="ignore"):
                while at.epoch < self.config.epochs:
                    self._train_epoch()
                    self._finish_epoch()
        except StopRequested:
            self._checkpoint()
            raise self._interrupted() from None
        finally:
            self.progress.close()
        draw_curves(self.config.run_dir, f"{self.config.model} on {self.config.data}")

    def _train_epoch(self):
        at, device = self.position, self.config.device
        steps = self.config.epochs * len(self.train_loader)
        self.progress.begin(at.epoch, len(self.train_loader), at.batch)
        for x, labels in self.stop.watch(self.train_loader.epoch(at.epoch, start=at.batch)):
            x, labels = to_device(x, device), to_device(labels, device)
            lr = learning_rate(self.config, at.step, steps)
            loss, correct = train_step(self.network, self.loss, self.optimizer, x, labels, lr)
            at.loss_sum = at.loss_sum + loss.astype("float64") * len(labels)  # on the device: read only when needed
            at.correct = at.correct + correct
            at.images += len(labels)
            at.batch += 1
            at.step += 1
            self.progress.step()
            if at.step % self.config.log_every == 0:
                self._log_step(float(loss), lr)
            if at.step % self.config.checkpoint_every == 0 and at.batch < len(self.train_loader):
                self._checkpoint()

    def _log_step(self, loss, lr):
        self._require_finite("loss", loss)
        self.progress.loss(loss)
        epoch = round(self.position.step / len(self.train_loader), 4)
        self.log.write("step", step=self.position.step, epoch=epoch, loss=loss, lr=lr, seconds=self._seconds())

    def _finish_epoch(self):
        at, config = self.position, self.config
        self._require_finite("mean loss of the epoch", at.loss_sum)
        test = evaluate_batches(self.network, self.stop.watch(self.test_loader.epoch(0)), config.device)
        self._require_finite("test loss", test.loss)
        at.epoch += 1
        self.summary = self.log.write(
            "epoch",
            step=at.step,
            epoch=at.epoch,
            train_loss=float(at.loss_sum) / at.images,
            train_accuracy=int(at.correct) / at.images,
            test_loss=test.loss,
            test_accuracy=test.accuracy,
            seconds=self._seconds(),
        )
        at.batch, at.images, at.loss_sum, at.correct = 0, 0, 0.0, 0
        self._checkpoint()
        self.progress.epoch(self.summary)
        if time.monotonic() - self.drawn > REDRAW_SECONDS:
            draw_curves(config.run_dir, f"{config.model} on {config.data}")
            self.drawn = time.monotonic()

    def _checkpoint(self):
        """The metrics go to the disk first: a checkpoint never knows of lines that a loss of power could take."""
        self.log.sync()
        self.position.seconds = self._seconds()
        self.save()

    def _seconds(self):
        return round(time.monotonic() - self.began, 3)

    def _require_finite(self, what, value):
        if math.isfinite(float(value)):
            return
        at, config = self.position, self.config
        lr = learning_rate(config, max(0, at.step - 1), config.epochs * len(self.train_loader))
        raise NumericError(
            f"{what} is {float(value)} at step {at.step} (epoch {at.epoch + 1} of {config.epochs}, lr {lr:.4g}), "
            f"expected a finite number: try lr={config.lr / 10:.4g} or warmup={max(500, 2 * config.warmup)} "
            f"in a new run; the last good checkpoint stays in {config.run_dir}"
        )

    def _interrupted(self):
        at, number = self.position, self.stop.received
        error = Interrupted(
            f"stopped by {signal.Signals(number).name} after step {at.step} (epoch {at.epoch + 1} of "
            f"{self.config.epochs}); nothing is lost, go on with: {resume_command(self.config.run_dir)}"
        )
        error.signal = number
        return error


def build_optimizer(config, params):
    """The optimiser of a :class:`~minires.train.TrainConfig` for the pairs ``params``."""
    common = {"lr": config.lr, "weight_decay": config.weight_decay, "decay_all": config.decay_all}
    if config.optimizer == "adamw":
        return AdamW(params, **common)
    return SGD(params, momentum=config.momentum, nesterov=config.nesterov, **common)


def resume_command(run_dir):
    return f"minires train --resume {shlex.quote(str(run_dir))}"


def limited(dataset, limit):
    """``limit`` images drawn at random, but the same ones always: files may be sorted by class."""
    if limit is None or limit >= len(dataset):
        return dataset
    return dataset.subset(np.random.default_rng(0).permutation(len(dataset))[:limit])
