"""Checkpoints: one file that holds all that a training needs to go on as if it had never stopped."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__, models
from ..data import Normalize
from ..errors import CheckpointError, RangeError, StateError
from ..files import StrPath
from ..files.whole import check_writable
from ..layers.base import Layer
from ..weights import save_weights
from ..weights.differences import Differences, refusal
from ..weights.load import put
from ..weights.open import CHECKPOINT, MODEL, open_file
from ..weights.pretrained import RECORD, Record
from ..weights.save import write_finite
from .config import TrainConfig
from .optim import Optimizer
from .prepare import build_model

FILE = "checkpoint.safetensors"
OPTIMIZER = "optimizer."  # what the names of its tensors begin with


@dataclass
class Position:
    """How far a training has come, all counted from 0, and the sums over the images of the current epoch."""

    epoch: int = 0  # epochs completed, evaluation included
    batch: int = 0  # batches completed in the current epoch
    step: int = 0  # steps completed in all
    images: int = 0
    loss_sum: float = 0.0
    correct: int = 0
    seconds: float = 0.0  # time spent so far, in all sessions
    ranks: int = 0  # of the job that trains now, or did when it was saved; 0 for a process without MPI


@dataclass
class Checkpoint:
    """A checkpoint that has been read and found undamaged; nothing has been put into a model yet."""

    path: Path
    config: TrainConfig
    data: dict  # of the training images: classes (names), channels, mean and std of each channel
    position: Position
    summary: dict  # the line of the last epoch in metrics.jsonl; empty before its end
    generators: dict = field(repr=False)  # {path: state of a numpy bit generator}
    tensors: dict = field(repr=False)  # {name: NumPy array}

    def build_model(self) -> Layer:
        """The model of the configuration, with the weights of this checkpoint, on the CPU.

        Raises :class:`~minires.errors.StateError` where it is a model that :func:`~minires.train.fit` was given.
        """
        try:
            models.find(self.config.model)
        except RangeError as error:
            raise StateError(
                f"{self.path} comes from a model of your own, {self.config.model}, expected it again: in Python, "
                "resume(run_dir, model=…) goes on with it, load_checkpoint(path).restore(model) puts its weights there"
            ) from error
        model = build_model(self.config, num_classes=len(self.data["classes"]), in_channels=self.data["channels"])
        self.restore(model)
        return model

    def normalize(self) -> Normalize:
        """The normalisation of the training images, for the images that the model is to classify."""
        return Normalize(self.data["mean"], self.data["std"])

    def restore(self, model: Layer, optimizer: Optimizer | None = None) -> None:
        """Put weights, buffers, random states and, if given, the state of ``optimizer`` in place; all or nothing.

        Raises :class:`~minires.errors.CheckpointError` that lists every name, shape and dtype that does not fit.
        """
        wanted = (MODEL,) if optimizer is None else (MODEL, OPTIMIZER)
        tensors = {name: array for name, array in self.tensors.items() if name.startswith(wanted)}
        buffers, generators = _buffers(model, optimizer), dict(model.generators())
        _give_each_its_steps(tensors, buffers)
        lines = Differences(_kinds(tensors), _kinds({name: buffer.data for name, buffer in buffers.items()})).lines()
        if lines := lines + _differences_of_rngs(self.generators, generators):
            remedy = "build the model and the optimizer with the settings that the file was written with"
            raise CheckpointError(refusal(self.path, lines, remedy))
        put([(buffer, tensors[name]) for name, buffer in buffers.items()])
        for path, rng in generators.items():
            rng.bit_generator.state = self.generators[path]


def save_checkpoint(
    path: StrPath,
    model: Layer,
    optimizer: Optimizer,
    *,
    config: TrainConfig,
    data: dict[str, Any],
    position: Position,
    summary: dict[str, Any] | None = None,
) -> None:
    """Write the state of a training into the file ``path``; the older file stays until the new one is whole.

    Raises :class:`~minires.errors.NumericError` where a weight is NaN or infinite, so that the last
    good checkpoint stays, and :class:`~minires.errors.CheckpointError` where the disk fails.
    """
    sums = {"loss_sum": float(position.loss_sum), "correct": int(position.correct), "images": int(position.images)}
    state = {
        "config": config.to_dict(),
        "data": data,
        "position": vars(position) | sums,
        "summary": summary or {},
        "generators": {name: _plain(rng.bit_generator.state) for name, rng in model.generators()},
    }
    arrays = {name: buffer.data for name, buffer in _buffers(model, optimizer).items()}
    write_finite(path, arrays, {"format": CHECKPOINT, "state": json.dumps(state)})


def load_checkpoint(path: StrPath) -> Checkpoint:
    """Read and verify a checkpoint: ``path`` is the file or the folder of its run. Returns a :class:`Checkpoint`.

    Raises :class:`~minires.errors.CheckpointError` unless every byte is as it was written.
    """
    path = Path(path)
    path = path / FILE if path.is_dir() else path
    file = open_file(path)
    tensors, texts = file.arrays(), file.texts
    if texts.get("format") != CHECKPOINT:
        raise CheckpointError(
            f"{path} has the format {texts.get('format')!r}, expected {CHECKPOINT!r}: "
            "use load_weights for a file of weights, or the minires that wrote it"
        )
    try:
        state = json.loads(texts["state"])
        config, position = TrainConfig.from_dict(state["config"]), Position(**state["position"])
        return Checkpoint(path, config, state["data"], position, state["summary"], state["generators"], tensors)
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{path} holds settings that this minires cannot read: {error}: use the version that wrote it"
        ) from error


def load_model(path: StrPath) -> tuple[Layer, Checkpoint]:
    """Return ``(model, checkpoint)``: the trained model of a checkpoint file or run folder, on the CPU."""
    checkpoint = load_checkpoint(path)
    return checkpoint.build_model(), checkpoint


def publish(run: StrPath, path: StrPath) -> None:
    """Write the weights of a finished run, with the record of their training, into the safetensors file ``path``.

    :func:`minires.weights.pretrained` reads such files from the folder ``weights/published`` of the package.
    """
    check_writable(path)
    model, checkpoint = load_model(run)
    config = checkpoint.config.to_dict()
    if checkpoint.position.epoch < config["epochs"]:
        raise StateError(
            f"{run} has come to epoch {checkpoint.position.epoch} of {config['epochs']}, expected a finished training: "
            f"minires train --resume {run}"
        )
    for place in ("run_dir", "data_dir", "weights"):  # they mean something on one machine only
        config[place] = None
    record = Record(__version__, config, checkpoint.data, checkpoint.summary)
    save_weights(path, model, texts={RECORD: record.to_json()})


def _buffers(model, optimizer=None):
    """``{name in the file: Buffer}``."""
    buffers = {MODEL + path: buffer for path, buffer in model.tensors()}
    if optimizer is not None:
        buffers |= {OPTIMIZER + path: buffer for path, buffer in optimizer.tensors()}
    return buffers


def _differences_of_rngs(states, generators):
    lines = [f"missing in the file: random state of {path}" for path in generators if path not in states]
    lines += [f"unknown to the model: random state of {path}" for path in states if path not in generators]
    for path, rng in generators.items():
        expected = type(rng.bit_generator).__name__
        found = states[path].get("bit_generator") if path in states else expected
        if found != expected:
            lines.append(f"{path}: random state of {found} in the file, {expected} in the model")
    return lines


def _kinds(arrays):
    return {name: (array.shape, array.dtype.name) for name, array in arrays.items()}


def _give_each_its_steps(tensors, buffers):
    """AdamW once had one count of steps for all parameters together."""
    steps = OPTIMIZER + "steps"
    if steps in tensors and steps in buffers and tensors[steps].shape == ():
        tensors[steps] = np.full(buffers[steps].data.shape, tensors[steps])


def _plain(value):
    """The state of a bit generator with its arrays as lists, as JSON needs it; NumPy takes lists back."""
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    return value.tolist() if isinstance(value, np.ndarray) else value
