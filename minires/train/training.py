"""Training: the loop with its files, which logs, saves, and stops between two steps when asked to."""

import shlex
import signal
import time
from dataclasses import replace
from pathlib import Path

from ..errors import CheckpointError, NumericError
from .checkpoint import FILE, save_checkpoint
from .interrupt import Interrupted, StopRequested, StopSignals
from .log import MetricsLog, Progress, draw_curves
from .loop import Loop

REDRAW_SECONDS = 15


class Training:
    """A :class:`Loop` and the files of its run. ``config.run_dir`` is a folder that exists when it saves or runs."""

    def __init__(self, config, model, data, notes=(), ranks=None):
        self.config = config
        self.stop = StopSignals() if ranks is None else StopSignals(ranks.largest)
        self.loop = Loop(config, model, data, self._on_step, self._on_epoch, self.stop.watch, ranks)
        self.notes = (*notes, *self.loop.notes)  # sentences for the user
        self.summary = {}  # the last epoch's line of metrics.jsonl

    def restore(self, checkpoint):
        """Take over the state of a :class:`~minires.train.Checkpoint`; the data must be those it was written with."""
        for name, value in checkpoint.data.items():
            if self.loop.facts[name] != value:
                raise CheckpointError(
                    f"{checkpoint.path} comes from training data whose {name} is {value}, "
                    f"found {self.loop.facts[name]}: resume with the same data"
                )
        checkpoint.restore(self.loop.model, self.loop.optimizer)
        before, now = checkpoint.position.ranks, self.loop.position.ranks
        if before != now and checkpoint.position.step:
            self.notes += (_words_of_ranks(before, now, self.config.batch_norm),)
        self.loop.position, self.summary = replace(checkpoint.position, ranks=now), checkpoint.summary

    def save(self):
        """Write the checkpoint, unless the loss shows that the training has diverged."""
        self.loop.require_finite("mean loss of the epoch", self.loop.position.loss_sum)
        save_checkpoint(
            Path(self.config.run_dir) / FILE,
            self.loop.model,
            self.loop.optimizer,
            config=self.config,
            data=self.loop.facts,
            position=self.loop.position,
            summary=self.summary,
        )

    def run(self):
        """Train from the position to the end of the last epoch."""
        at = self.loop.position
        self.drawn = time.monotonic()
        self.progress = Progress(self.config.epochs)
        self.log = MetricsLog(self.config.run_dir, step=at.step, epoch=at.epoch)
        if at.epoch < self.config.epochs:
            for note in self.notes:
                self.progress.say(note)
        try:
            with self.stop:
                self._begin_epoch()
                self.loop.run()
        except StopRequested:
            self._checkpoint()
            raise self._interrupted() from None
        except NumericError as error:
            raise NumericError(f"{error}; the last good checkpoint stays in {self.config.run_dir}") from error
        finally:
            self.progress.close()
        draw_curves(self.config.run_dir, f"{self.config.model} on {self.config.data}")

    def _begin_epoch(self):
        at = self.loop.position
        if at.epoch < self.config.epochs:
            self.progress.begin(at.epoch, self.loop.steps_per_epoch, at.batch // self.config.accumulate)

    def _on_step(self, row):
        at = self.loop.position
        self.progress.step()
        if row is not None:
            self.progress.loss(row["loss"])
            self.log.write("step", **row)
        if at.step % self.config.checkpoint_every == 0 and at.batch < len(self.loop.train_loader):
            self._checkpoint()

    def _on_epoch(self, row):
        self.summary = self.log.write("epoch", **row)
        self._checkpoint()
        self.progress.epoch(self.summary)
        self._begin_epoch()
        if time.monotonic() - self.drawn > REDRAW_SECONDS:
            draw_curves(self.config.run_dir, f"{self.config.model} on {self.config.data}")
            self.drawn = time.monotonic()

    def _checkpoint(self):
        """The metrics go to the disk first: a checkpoint never knows of lines that a loss of power could take."""
        self.log.sync()
        self.loop.position.seconds = self.loop.seconds()
        self.save()

    def _interrupted(self):
        at, number = self.loop.position, self.stop.received
        error = Interrupted(
            f"stopped by {signal.Signals(number).name} after step {at.step} (epoch {at.epoch + 1} of "
            f"{self.config.epochs}); nothing is lost, go on with: {resume_command(self.config.run_dir)}"
        )
        error.signal = number
        return error


class Follower(Training):
    """The training of a rank that leaves files and words to rank 0."""

    def save(self):
        """Nothing: rank 0 writes the checkpoint."""

    def run(self):
        try:
            with self.stop:
                self.loop.run()
        except StopRequested:
            raise self._interrupted() from None

    def _on_step(self, row):
        pass

    def _on_epoch(self, row):
        self.summary = row


def _words_of_ranks(before, now, batch_norm):
    first, second = (f"{count} ranks" if count else "one process" for count in (before, now))
    shares = ", and batch norm takes its statistics of other shares (batch_norm local)" if batch_norm == "local" else ""
    return f"begun on {first}, goes on on {second}: each step sees the same images, but sums round otherwise{shares}"


def resume_command(run_dir):
    return f"minires train --resume {shlex.quote(str(run_dir))}"
