"""minires train, minires eval."""

import dataclasses
import os
import shlex
import sys
from pathlib import Path
from typing import Annotated, Literal

import tyro

from .. import data as data_sets
from ..backend import require_device
from ..engine import compile
from ..errors import DataFileError, MiniresError, RangeError, StateError
from ..models import parse_options
from ..train import Interrupted, TrainConfig, evaluate, fit, load_model, resume
from ..train.guard import GUARD
from ..train.prepare import limited
from ..train.splits import load_split, require_classes, with_data
from ..weights import build_with_weights
from ..weights import pretrained as weights_of_minires
from .common import (
    FAILED,
    STOPPED,
    Device,
    Hidden,
    Json,
    Number,
    Options,
    Part,
    Run,
    Switch,
    Text,
    given_options,
    print_json,
)
from .forecast import print_forecast

Channels = Annotated[tuple[float, ...] | None, tyro.conf.arg(metavar="R G B")]
RESULTS = ("curves.png", "metrics.jsonl", "config.json", "checkpoint.safetensors")  # no curves without matplotlib
PUBLISHED = "resnet20"  # the network whose weights come along
SIZES = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE")  # variables by which mpiexec says how many processes it starts
NEXT = """\
              minires train --model plain20 --epochs 3     the same network without shortcuts
              minires train --model resnet56 --epochs 3    a deeper one
              minires check                                is every gradient right?"""


@dataclasses.dataclass(frozen=True)
class Settings(TrainConfig):
    """Settings of a training, as the command line has them."""

    option: Options = ()
    """Any option of the network's family, such as dropout=0.3; may be given more than once."""

    device: Device = "cpu"
    """Where to compute: cpu (NumPy), cuda (CuPy), or cuda:1, a GPU by its number."""

    run_dir: Annotated[str | None, tyro.conf.arg(metavar="RUN")] = None
    """Folder for the results. None makes a new one below runs/, named after the model, the data and the seed."""


def train(
    config: Annotated[Settings, tyro.conf.arg(name="")],
    *,
    run: Annotated[str | None, tyro.conf.arg(name="resume", metavar="RUN")] = None,
    parallel: Literal["none", "mpi"] = "none",
    timeout: Annotated[float | None, tyro.conf.arg(metavar="SECONDS")] = None,
    dry_run: Switch = False,
    as_json: Json = False,
    given: Hidden = (),
) -> None:
    """Train a network; leave its weights, metrics and curves in a folder.

    For example: minires train --model resnet20 --epochs 3

    Args:
        run: Go on with the run in this folder, bit for bit. Of its settings, device and data-dir may change.
        parallel: mpi: one of several processes that share each batch: mpiexec -n 4 minires train --parallel mpi.
        timeout: With parallel: seconds that a process waits for the others before it ends the job. None: for ever.
        dry_run: With parallel: print each process's share, bytes a step and the speed-up to expect; train nothing.
        given: Fields that the command line sets: a value does not tell whether it was given or is the default.
    """
    job = {} if parallel == "none" else {"comm": _world(), "timeout": timeout}
    rank = job["comm"].Get_rank() if job else 0
    if dry_run:
        return print_forecast(config, run, job, as_json)
    try:
        result = _result(config, run, given, job)
    except MiniresError as error:
        if not rank:
            raise
        number = error.signal if isinstance(error, Interrupted) else None
        raise SystemExit(FAILED if number is None else STOPPED + number) from None  # rank 0 has the words
    if rank:
        return None
    if as_json:
        return print_json(result, "test_accuracy", "train_loss", "epochs", "seconds", "run_dir")
    print(f"test accuracy {result.test_accuracy:.2%} after {result.epochs} epochs, {result.seconds:.0f} s")
    there = ", ".join(name for name in RESULTS if Path(result.run_dir, name).exists())
    print(f"results in    {result.run_dir}: {there}")
    print(f"try next      minires eval {shlex.quote(result.run_dir)}\n{NEXT}")


def _result(config, run, given, job):
    if run is None:
        return fit(config, **job)
    if "run_dir" in given:
        raise RangeError(f"run_dir is {config.run_dir}, but the run to resume is in {run}: leave --run-dir out")
    settings = dataclasses.asdict(config)
    return resume(run, **job, **{name: settings[name] for name in given if name in settings})


def _world():
    """The communicator of all processes of the job."""
    GUARD.begin()
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        raise StateError(f"no MPI ({error}), expected mpi4py with an MPI: pip install 'minires[mpi]'") from error
    comm, started = MPI.COMM_WORLD, max(int(os.environ.get(name, 1)) for name in SIZES)
    if comm.Get_size() == 1 and started > 1:
        library = MPI.Get_library_version().partition("\n")[0]
        raise StateError(
            f"mpiexec has started {started} processes, but mpi4py sees 1: it loads {library}, and mpiexec is of "
            "another MPI: take the mpiexec beside this Python, or install mpi4py for the other"
        )
    if comm.Get_size() == 1:
        print("one process: start several with mpiexec -n 4 minires train --parallel mpi ...", file=sys.stderr)
    return comm


def evaluate_run(
    run: Run = None,
    *,
    model: Text = None,
    weights: Annotated[str | None, tyro.conf.arg(metavar="FILE")] = None,
    entry: Text = None,
    pretrained: Switch = False,
    option: Options = (),
    mean: Channels = None,
    std: Channels = None,
    data: Text = None,
    data_dir: Text = None,
    image: Number = None,
    test_part: Part = None,
    limit_test: Number = None,
    batch_size: int = 200,
    device: Device = "cpu",
    engine: Literal["compiled", "reference"] = "compiled",
    as_json: Json = False,
) -> None:
    """Classify the test images with a trained network: that of a run, or a file of weights from elsewhere.

    For example: minires eval runs/resnet20-fashion_mnist_12k-seed0

    Args:
        run: Folder of a run, or its checkpoint.
        model: Name of the network that the file of weights is for.
        weights: File of PyTorch (.pth, .pt, .th), safetensors (also in shards: index or folder) or npz; what is in it
            is never run.
        entry: Which weights, where the file holds several sets that fit: state_dict_ema.
        pretrained: Use the weights that come with minires, those of --model resnet20; needs the images of cifar10.
        option: Any option of the family, such as shortcut=B; may be given more than once.
        mean: Of each channel in [0, 1], that the weights were trained with; by default as their library has it, or
            that of the training images.
        std: Standard deviation of each channel, likewise.
        data: Name of the data set; that of the training if not given.
        data_dir: Folder of its files; that of the training if not given.
        image: Rows and columns of the pictures of a folder; those of the training if not given.
        test_part: Part of each class of a folder that is the test set; that of the training if not given.
        limit_test: Use only that many test images; as many as the training if not given.
        batch_size: Images at a time; it changes no result.
        device: Where to compute: cpu, cuda, or cuda:1, a GPU by its number.
        engine: How to compute on the CPU: compiled (fast) or reference (the layers as they are written).
    """
    require_device(TrainConfig(device=device).device)  # another name is refused as train refuses it
    model = PUBLISHED if pretrained and model is None and run is None else model
    others = {"model": model, "weights": weights, "pretrained": pretrained, "option": option, "mean": mean, "std": std}
    others |= {"entry": entry}
    _check_choice(run, others, data)
    place = given_options(data=data, data_dir=data_dir, image=image, test_part=test_part, limit_test=limit_test)
    note = left_out = None
    if run is not None:
        network, images, normalize, left_out = _from_run(run, place)
    elif pretrained:
        network, record = weights_of_minires(str(model))
        images = _images_of_record(record, place)
        normalize = data_sets.Normalize(record.data["mean"], record.data["std"])
    else:
        config = TrainConfig(**place | {"model": model})
        images = _test_images(config)
        network, normalize, note = _from_file(config, weights, images, mean, std, entry, parse_options(option))
    loader = data_sets.Loader(images, batch_size, seed=0, shuffle=False, normalize=normalize)
    network.to(device=device)
    result = evaluate(compile(network) if engine == "compiled" else network, loader, device, left_out)
    if as_json:
        return print_json(result, "accuracy", "correct", "total")
    print(f"accuracy {result.accuracy:.2%}: {result.correct} of {result.total} test images of {images.name} are right")
    if note is not None:
        print(note)


def _test_images(config):
    return limited(load_split(config, "test"), config.limit_test)


def _from_run(run, place):
    """(network, test images, Normalize, class to leave out) of a run; ``place`` names other data."""
    network, checkpoint = load_model(run)
    images = _test_images(with_data(checkpoint.config, **place))
    require_classes(images, checkpoint.data["classes"], run)
    return network, images, checkpoint.normalize(), checkpoint.config.ignore_index


def _images_of_record(record, place):
    """The test images that weights of minires were scored on. Where they are missing, what can be done without them."""
    name = record.data["name"]
    try:
        return _test_images(TrainConfig(model=record.config["model"], **{"data": name} | place))
    except DataFileError as error:
        raise DataFileError(
            f"--pretrained needs the test images of {name}, which do not come along. {error}. Without them, "
            "minires train --model resnet8 and then minires eval RUN work with the images that do"
        ) from error


def _from_file(config, weights, images, mean, std, entry, options):
    """(network, Normalize, words for what was decided) of a file of weights."""
    sizes = {"num_classes": len(images.classes), "in_channels": images.images.shape[1]}
    network, origin = build_with_weights(config.model, weights, entry=entry, **sizes, **options)
    normalize, source = _normalisation(origin, mean, std, config)
    return network, normalize, f"{origin.words()}; images normalised as {source}"


def _check_choice(run, others, data):
    """A run, or a network with its weights and a data set."""
    given = [name for name, value in others.items() if value]
    if run is not None and given:
        raise RangeError(f"RUN is {run} and --{given[0]} is given too, expected one of them: leave one out")
    if others["pretrained"] and (extra := [name for name in ("weights", "option", "mean", "entry") if others[name]]):
        raise RangeError(f"--pretrained and --{extra[0]} are given, expected one of them: leave one out")
    if run is None and not (others["model"] and (others["pretrained"] or (others["weights"] and data))):
        raise RangeError(
            "expected RUN, or --model, --weights and --data, or --model and --pretrained: "
            "minires eval --model resnet20 --weights FILE --data cifar10 --data-dir DIR"
        )
    if (others["mean"] is None) != (others["std"] is None):
        raise RangeError("one of --mean and --std is given, expected both or none: --mean 0.5 0.5 0.5 --std 1 1 1")


def _normalisation(origin, mean, std, config):
    """(Normalize, words for where it comes from)."""
    if mean is not None:
        return data_sets.Normalize(mean, std), "you say"
    if origin.mean is not None:
        return data_sets.Normalize(origin.mean, origin.std), f"{origin.name} does"
    train = load_split(config, "train")
    return data_sets.Normalize.of(train), "its training images ask for, as the file does not say"
