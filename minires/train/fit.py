"""fit and resume: from a configuration, or a folder of results, to a trained network."""

import contextlib
import os
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..backend import to_numpy
from ..data import DATASETS
from ..data.dataset import Dataset
from ..errors import CheckpointError, RangeError, StateError
from ..files import StrPath
from ..files.whole import check_folder, make_folder, write_atomically
from ..layers.base import Layer
from .agree import fingerprint, made_by_all, require_the_same
from .checkpoint import FILE, load_checkpoint
from .config import TrainConfig
from .global_norm import global_norms
from .lock import only_user
from .log import CURVES, METRICS
from .prepare import load_data
from .ranks import Ranks
from .start import start
from .training import Follower, Training, resume_command

RUNS, CONFIG = Path("runs"), "config.json"
# what may differ between the parts of a run: where it computes and how often it saves, never what it computes
CHANGEABLE = ("device", "data_dir", "prefetch", "checkpoint_every")


@dataclass(frozen=True)
class Result:
    """The end of a training: losses and accuracies of the last epoch; ``seconds`` counts all its parts."""

    run_dir: str
    epochs: int
    steps: int
    train_loss: float
    train_accuracy: float
    test_loss: float
    test_accuracy: float
    seconds: float


def fit(
    config: TrainConfig,
    *,
    model: Layer | None = None,
    data: tuple[Dataset, Dataset] | None = None,
    comm: Any = None,
    timeout: float | None = None,
) -> Result:
    """Train as the :class:`~minires.train.TrainConfig` says and return a :class:`Result`.

    Writes config.json, metrics.jsonl, curves.png and checkpoint.safetensors into ``config.run_dir``.
    model: a Layer to train instead of the one that the configuration names. data: a pair (training, test) of
    :class:`~minires.data.Dataset` instead of the one it names. To resume, pass the same again.
    comm: a communicator of mpi4py, MPI.COMM_WORLD, whose ranks all call this with the same and share each batch; rank 0
    writes. timeout: seconds that a rank waits for the others before it ends the job; None waits for ever.

    Raises :class:`~minires.train.Interrupted` after Ctrl-C, SIGTERM or SIGHUP, with the state saved,
    :class:`~minires.errors.NumericError` where the loss is NaN or infinite, and
    :class:`~minires.errors.StateError` where the folder holds a run already. What one of several ranks raises ends all.
    """
    with _ranks(comm, config, timeout) as ranks:
        config, model, data, notes = _agreed(ranks, lambda: _prepared(config, model, data))
        with contextlib.ExitStack() as stack:
            training = _training(stack, config, model, data, notes, ranks)  # first: wrong settings leave no folder
            if ranks is None or ranks.rank == 0:
                run_dir = _make_run_dir(config)
                training.config = config = replace(config, run_dir=str(run_dir))
                stack.enter_context(only_user(run_dir))
                _refuse_to_replace(run_dir)
                training.save()  # before anything else, so that a run can be resumed from its first moment
                write_atomically(run_dir / CONFIG, config.to_json().encode())
            return _run(training, ranks)


def _prepared(config, model, data):
    check_folder(RUNS if config.run_dir is None else config.run_dir)
    if data is None:
        data = load_data(config)
    else:
        config = replace(config, data=data[0].name)
    config, model, notes = start(config, model, data[0])
    return config, model, data, notes


@contextlib.contextmanager
def _ranks(comm, config, timeout):
    """The :class:`~minires.train.ranks.Ranks` of a job, or None for one process."""
    if comm is None:
        yield None
        return
    if config.device not in ("cpu", "cuda"):
        raise RangeError(f"device is {config.device!r}, but each rank takes a GPU of its host: set device to cuda")
    ranks = Ranks(comm, ordered=config.reduction == "ordered", timeout=timeout)
    with ranks.together():
        if config.device != "cpu":
            ranks.take_gpu()
        yield ranks
        ranks.free()


def _agreed(ranks, make):
    return make() if ranks is None else made_by_all(ranks, make)


def _training(stack, config, model, data, notes, ranks):
    """The :class:`Training` of this process. Several ranks must begin with the same; rank 0 alone writes and speaks."""
    if ranks is None:
        return Training(config, model, data, notes)
    weights = [zlib.crc32(np.ascontiguousarray(to_numpy(t.data)).data) for _, t in model.tensors()]
    facts = {"configuration": replace(config, run_dir=None).to_dict(), "data": fingerprint(data), "weights": weights}
    require_the_same(ranks, facts)
    if config.batch_norm == "global":
        stack.enter_context(global_norms(model, ranks))
    kind = Training if ranks.rank == 0 else Follower
    return made_by_all(ranks, lambda: kind(config, model, data, notes, ranks))


def resume(
    run_dir: StrPath,
    *,
    model: Layer | None = None,
    data: tuple[Dataset, Dataset] | None = None,
    comm: Any = None,
    timeout: float | None = None,
    **changes: Any,
) -> Result:
    """Continue the training in the folder ``run_dir``, or of its checkpoint there, and return a :class:`Result`.

    Weights and metrics end exactly as if the training had never stopped. ``changes`` may set the fields device,
    data_dir, prefetch and checkpoint_every of the configuration anew. model, data, comm, timeout and errors: see
    :func:`fit`. On another number of ranks each step sees the same images, but sums round otherwise.
    """
    run_dir = Path(os.path.expanduser(run_dir))
    if run_dir.name == FILE and run_dir.is_file():
        run_dir = run_dir.parent
    if not run_dir.is_dir():
        raise CheckpointError(f"{run_dir} is not a folder, expected the folder of a run: check the path")
    for name in changes:
        if name not in CHANGEABLE:
            raise RangeError(f"{name} cannot change when a run resumes, only {', '.join(CHANGEABLE)}: start a new run")
    check_folder(run_dir)
    first = comm is None or comm.Get_rank() == 0
    with contextlib.ExitStack() as stack:
        if first:
            stack.enter_context(only_user(run_dir))
        checkpoint = load_checkpoint(run_dir)
        config = replace(checkpoint.config, run_dir=str(run_dir), **changes)
        ranks = stack.enter_context(_ranks(comm, config, timeout))
        if data is None:
            if config.data not in DATASETS:
                raise StateError(
                    f"{run_dir} comes from data of your own, {config.data!r}, expected them again: "
                    "resume(run_dir, data=(train, test)), in Python"
                )
            data = load_data(config)
        if model is None:
            model = checkpoint.build_model()
        training = _training(stack, config, model, data, (), ranks)
        training.restore(checkpoint)
        return _run(training, ranks)


def _run(training, ranks=None):
    if ranks is not None:
        training.config = replace(training.config, run_dir=ranks.exchange(training.config.run_dir)[0])
    training.run()
    scores = ("epochs", "steps", "train_loss", "train_accuracy", "test_loss", "test_accuracy", "seconds")
    last = training.summary | {"epochs": training.loop.position.epoch, "steps": training.loop.position.step}
    return Result(run_dir=training.config.run_dir, **{name: last[name] for name in scores})


def _refuse_to_replace(run_dir):
    for name in (FILE, METRICS):
        if (run_dir / name).exists():
            raise StateError(
                f"{run_dir} holds {name} of an earlier run, expected none: "
                f"choose another run_dir, or go on with {resume_command(run_dir)}"
            )
    for name in (CONFIG, CURVES):
        if (run_dir / name).exists():
            raise StateError(f"{run_dir} holds {name}, which would be replaced, expected none: choose another run_dir")


def _make_run_dir(config):
    """The folder of the configuration, or a new one below runs/ with a name to recognise; it exists on return."""
    if config.run_dir is not None:
        return make_folder(config.run_dir)
    name, number = f"{config.model}-{config.data}-seed{config.seed}", 1
    while True:
        try:
            return make_folder(RUNS / (name if number == 1 else f"{name}-{number}"), exist_ok=False)
        except FileExistsError:
            number += 1
