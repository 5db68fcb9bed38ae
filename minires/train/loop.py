"""The loop over epochs and steps, in memory: what it reports, and when it stops, is for its caller to decide."""

import itertools
import math
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

import numpy as np

from ..backend import require_device, to_device
from ..data.dataset import Dataset
from ..engine import compile
from ..errors import NumericError, RangeError, StateError
from ..layers.base import Layer
from .agree import require_shares
from .buckets import Buckets
from .checkpoint import Position
from .compiled_step import compile_step
from .config import TrainConfig
from .log import Progress
from .prepare import build_loss, build_optimizer, facts_of, limited, make_loaders
from .schedule import learning_rate, scale, warmup_steps
from .splits import require_same_kind
from .start import freeze_rest
from .ranks import reseed
from .shared import evaluate_shared, shared_step
from .step import accumulated_step, count_labels, evaluate_batches, train_step

FILES = {"run_dir", "weights", "weights_sha256", "entry", "checkpoint_every"}  # settings for fit alone


class Loop:
    """A model, its data and how it is trained, and how far that has come (``position``).

    data: a pair (training, test) of :class:`~minires.data.Dataset`.   on_step: called after each step, with a
    row of numbers every ``log_every`` steps, else None.   on_epoch: called with a row of numbers after each epoch.
    watch: wraps each generator of batches; what it raises ends the loop between two steps.   ranks: of a job whose
    processes share each batch, a :class:`~minires.train.ranks.Ranks`.
    """

    def __init__(self, config, model, data, on_step=None, on_epoch=None, watch=iter, ranks=None):
        require_device(config.device)
        require_same_kind(*data)
        train, test = limited(data[0], config.limit_train), limited(data[1], config.limit_test)
        self.config, self.facts = config, facts_of(train)
        self.loss = build_loss(config, train, test)
        freeze_rest(model, config.freeze_but)
        if params := dict(model.params()):
            require_trainable(params)
        is_compiled = config.engine == "compiled"
        by_kernels = is_compiled and config.device != "cpu" and ranks is None and config.accumulate == 1
        self.train_loader, self.test_loader, self.notes = make_loaders(
            config, model, train, test, self.facts, raw=by_kernels and config.clip_norm is None
        )
        self.steps_per_epoch = math.ceil(len(self.train_loader) / config.accumulate)
        if config.scale_lr != "none":
            self.notes.append(_words_of_scale(config, config.epochs * self.steps_per_epoch))
        if ranks is not None:
            require_shares(config, model, self.train_loader, ranks)
        self.model = model.to(device=config.device)
        threads = None if ranks is None else ranks.threads
        self.network = compile(model, threads=threads, input_gradient=False) if is_compiled else model
        self.optimizer = build_optimizer(config, self.model.params())
        learner = self.network, self.loss, self.optimizer
        self.whole = compile_step(*learner, clip_norm=config.clip_norm) if by_kernels else None
        self.position = Position(ranks=ranks.size if ranks is not None else 0)
        self.on_step, self.on_epoch, self.watch, self.ranks = on_step, on_epoch, watch, ranks
        self.buckets = ranks and Buckets(self.model.params(), ranks)

    def run(self):
        """Train from the position to the end of the last epoch."""
        self.began = time.monotonic() - self.position.seconds
        # divergence is reported as a NumericError that says what to do; NumPy's warnings would only repeat it
        with np.errstate(all="ignore"):
            while self.position.epoch < self.config.epochs:
                self._train_epoch()
                self._finish_epoch()

    def _train_epoch(self):
        at, config, loader = self.position, self.config, self.train_loader
        steps = config.epochs * self.steps_per_epoch
        for group in self.watch(grouped(loader.epoch(at.epoch, start=at.batch), config.accumulate)):
            lr = learning_rate(config, at.step, steps)
            loss, correct, counted = self._step(group, lr)
            at.loss_sum = at.loss_sum + loss.astype("float64") * counted  # on the device: read only when needed
            at.correct = at.correct + correct
            at.images = at.images + counted
            at.batch = min(at.batch + config.accumulate, len(loader))
            at.step += 1
            row = self._row_of_step(float(loss), lr) if at.step % config.log_every == 0 else None
            if self.on_step is not None:
                self.on_step(row)

    def _step(self, group, lr):
        """(loss, images classified rightly, images that count) of one step on a group of batches."""
        if self.whole is not None:
            x, labels = next(group)
            return *self.whole(x, labels, lr), count_labels(labels, self.config.ignore_index)
        counted = []

        def placed():
            for x, labels in group:
                x, labels = to_device(x, self.config.device), to_device(labels, self.config.device)
                counted.append(count_labels(labels, self.config.ignore_index))
                yield x, labels

        if self.ranks is not None:
            return self._shared(group, lr)
        learner, how = (self.network, self.loss, self.optimizer), (lr, self.config.clip_norm)
        if self.config.accumulate > 1:
            found = accumulated_step(*learner, placed(), *how)
        else:
            found = train_step(*learner, *next(placed()), *how)
        return *found, sum(counted)

    def _shared(self, group, lr):
        """As :meth:`_step`, of which this rank does its share."""
        ranks = self.ranks
        ranks.at_step(self.position.step)
        reseed(self.model, self.config.seed, ranks.step, ranks.rank)

        def parts():
            for batch in group:
                share = ranks.share(len(batch[0]))
                if share.stop > share.start:
                    yield tuple(to_device(array[share], self.config.device) for array in batch)

        learner = self.network, self.loss, self.optimizer
        return shared_step(*learner, parts(), lr, self.buckets, self.config.clip_norm)

    def _evaluated(self):
        config, loader = self.config, self.test_loader
        if self.ranks is None:
            return evaluate_batches(self.network, self.watch(loader.epoch(0)), config.device, config.ignore_index)
        return evaluate_shared(self.network, loader, self.ranks, config.device, config.ignore_index)

    def _row_of_step(self, loss, lr):
        self.require_finite("loss", loss)
        step = self.position.step
        epoch = round(step / self.steps_per_epoch, 4)
        return {"step": step, "epoch": epoch, "loss": loss, "lr": lr, "seconds": self.seconds()}

    def _finish_epoch(self):
        at = self.position
        self.require_finite("mean loss of the epoch", at.loss_sum)
        try:
            test = self._evaluated()
        except NumericError:
            self.require_finite("test loss", math.nan)
        self.require_finite("test loss", test.loss)
        at.epoch += 1
        row = {
            "step": at.step,
            "epoch": at.epoch,
            "train_loss": float(at.loss_sum) / int(at.images),
            "train_accuracy": int(at.correct) / int(at.images),
            "test_loss": test.loss,
            "test_accuracy": test.accuracy,
            "seconds": self.seconds(),
        }
        at.batch, at.images, at.loss_sum, at.correct = 0, 0, 0.0, 0
        if self.on_epoch is not None:
            self.on_epoch(row)

    def seconds(self):
        """Time spent training so far, in all parts of a run."""
        return round(time.monotonic() - self.began, 3)

    def require_finite(self, what, value):
        """Raise :class:`~minires.errors.NumericError`, with what to do, unless ``value`` is finite."""
        if math.isfinite(float(value)):
            return
        at, config = self.position, self.config
        lr = learning_rate(config, max(0, at.step - 1), config.epochs * self.steps_per_epoch)
        raise NumericError(
            f"{what} is {float(value)} at step {at.step} (epoch {at.epoch + 1} of {config.epochs}, lr {lr:.4g}), "
            f"expected a finite number: try lr={config.lr / 10:.4g} or warmup={max(500, 2 * config.warmup)} anew"
        )


def run(
    model: Layer,
    data: tuple[Dataset, Dataset],
    epochs: int,
    *,
    on_epoch: Callable[[dict[str, Any]], Any] | None = None,
    **settings: Any,
) -> list[dict[str, Any]]:
    """Train ``model`` in memory, without files, and return a row of numbers (a dict) for each epoch.

    data: a pair (training, test) of :class:`~minires.data.Dataset`   on_epoch: called with the row of each epoch, when
    it is over; what it raises ends the training   settings: of :class:`~minires.train.TrainConfig`, such as lr=0.05

    :func:`~minires.train.fit` is this with a folder, in which it logs, saves, and can be resumed.
    Raises :class:`~minires.errors.NumericError` where the loss is NaN or infinite; the model is then worthless.
    """
    if extra := sorted(FILES & settings.keys()):
        raise RangeError(f"{extra[0]} is given, but run takes and leaves no files: use fit, or leave {extra[0]} out")
    config = TrainConfig(**settings | {"model": type(model).__name__, "data": data[0].name, "epochs": epochs})
    rows = []

    def keep(row):
        rows.append(row)
        if on_epoch is not None:
            on_epoch(row)

    loop = Loop(config, model, data, on_epoch=keep)
    for note in loop.notes:
        Progress(epochs).say(note)
    loop.run()
    return rows


def grouped(batches, size):
    """Yield iterators over ``size`` batches each, the last one over fewer; each must be used up before the next."""
    with closing(batches):
        for first in batches:
            yield itertools.chain([first], itertools.islice(batches, size - 1))


def _words_of_scale(config, total):
    images, length = config.batch_size * config.accumulate, warmup_steps(config, total)
    return (
        f"lr {config.lr:g} x {scale(config):.4g} = {config.lr * scale(config):.4g}: {config.scale_lr}, {images} images "
        f"a step and lr_batch {config.lr_batch}; warm-up: {f'{length} steps' if length else config.schedule + ' alone'}"
    )


def require_trainable(params):
    """Raise :class:`~minires.errors.StateError` where every one of ``{path: Param}`` is frozen."""
    if all(p.frozen for p in params.values()):
        raise StateError(
            f"all {len(params)} parameters of the model are frozen, expected one that is trained: "
            "model.freeze(False), or of its head alone: model.at(path).freeze(False)"
        )
