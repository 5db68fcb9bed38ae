"""The command ``minires``: train, eval, check, models, data.

Results go to standard output, progress to standard error; with ``--json`` standard output is one JSON object and
nothing else. Exit codes: 0 done, 1 failed, 2 wrong usage, 128 + signal stopped (130 for Ctrl-C).
"""

import dataclasses
import functools
import json
import shlex
import signal
import sys
from typing import Annotated, Literal

import tyro
from tqdm import tqdm

from . import data as data_sets
from . import models as networks
from .backend import require_device
from .data.catalogue import ABOUT, is_there
from .errors import DTypeError, MiniresError, RangeError
from .mutants.matrix import run_matrix
from .train import Interrupted, TrainConfig, evaluate, fit, load_model, resume
from .train.training import _limited

FAILED, USAGE, STOPPED = 1, 2, 128
NEXT = """\
              minires train --model plain20 --epochs 3     the same network without shortcuts
              minires train --model resnet56 --epochs 3    a deeper one
              minires check                                is every gradient right?"""

Switch = tyro.conf.FlagCreatePairsOff[bool]
Json = Annotated[Switch, tyro.conf.arg(name="json", help="Print one JSON object and nothing else.")]
Name = Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="[NAME]")]
Text = Annotated[str | None, tyro.conf.arg(metavar="STR")]
Number = Annotated[int | None, tyro.conf.arg(metavar="INT")]
Hidden = tyro.conf.Suppress[tyro.conf.Fixed[tuple[str, ...]]]


def train(
    config: Annotated[TrainConfig, tyro.conf.arg(name="")],
    *,
    run: Annotated[str | None, tyro.conf.arg(name="resume", metavar="RUN")] = None,
    as_json: Json = False,
    given: Hidden = (),
):
    """Train a network; leave its weights, metrics and curves in a folder.

    For example: minires train --model resnet20 --epochs 3

    Args:
        run: Go on with the run in this folder, bit for bit. Of its settings, device and data-dir may change.
        given: Fields that the command line sets: a value does not tell whether it was given or is the default.
    """
    if run is None:
        result = fit(config)
    elif "run_dir" in given:
        raise RangeError(f"run_dir is {config.run_dir}, but the run to resume is in {run}: leave --run-dir out")
    else:
        settings = dataclasses.asdict(config)
        result = resume(run, **{name: settings[name] for name in given if name in settings})
    if as_json:
        return _print_json(result, "test_accuracy", "train_loss", "epochs", "seconds", "run_dir")
    print(f"test accuracy {result.test_accuracy:.2%} after {result.epochs} epochs, {result.seconds:.0f} s")
    print(f"results in    {result.run_dir}: curves.png, metrics.jsonl, config.json, checkpoint.safetensors")
    print(f"try next      minires eval {shlex.quote(result.run_dir)}\n{NEXT}")


def evaluate_run(
    run: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")],
    *,
    data: Text = None,
    data_dir: Text = None,
    limit_test: Number = None,
    batch_size: int = 200,
    device: Literal["cpu", "cuda"] = "cpu",
    as_json: Json = False,
):
    """Classify the test images with a trained network.

    For example: minires eval runs/resnet20-fashion_mnist_12k-seed0

    Args:
        run: Folder of a run, or its checkpoint.
        data: Name of the data set; that of the training if not given.
        data_dir: Folder of its files; that of the training if not given.
        limit_test: Use only that many test images; as many as the training if not given.
        batch_size: Images at a time; it changes no result.
        device: Where to compute.
    """
    require_device(device)
    model, checkpoint = load_model(run)
    options = {"data": data, "data_dir": data_dir, "limit_test": limit_test}
    config = dataclasses.replace(checkpoint.config, **{k: v for k, v in options.items() if v is not None})
    images = _limited(data_sets.load(config.data, "test", config.data_dir), config.limit_test)
    loader = data_sets.Loader(images, batch_size, seed=0, shuffle=False, normalize=checkpoint.normalize())
    result = evaluate(model.to(device=device), loader, device)
    if as_json:
        return _print_json(result, "accuracy", "correct", "total")
    print(f"accuracy {result.accuracy:.2%}: {result.correct} of {result.total} test images of {images.name} are right")


def check(*, seeds: int = 1000, as_json: Json = False):
    """Check every layer, and check the checks with planted mistakes.

    Each mistake stands for a misconception and must be caught; no correct layer may be refused. Exit code 1 if not.

    For example: minires check --seeds 100

    Args:
        seeds: Checks of correct layers, each with its own random numbers.
    """
    if seeds < 1:
        raise RangeError(f"seeds is {seeds}, expected an integer of at least 1: change seeds")
    bar = functools.partial(tqdm, disable=None, leave=False)  # on a terminal only
    matrix = run_matrix(seeds, progress=bar)
    if as_json:
        _print_json(matrix, "layers", "worst_error", "mutants_caught", "mutants", false_alarms=matrix.refused)
    else:
        print(matrix)
    return FAILED if matrix.missed or matrix.refused else None


def models(
    name: Name = None,
    *,
    image: int = 32,
    in_channels: int = 3,
    num_classes: int = 10,
    shortcut: Text = None,
    as_json: Json = False,
):
    """List the families of networks, or count the parameters and multiply-adds of one network.

    For example: minires models resnet56

    Args:
        name: Name of a network; all families if not given.
        image: Rows and columns of its input.
        in_channels: Channels of its input.
        num_classes: Width of its output.
        shortcut: Kind of shortcut; the list of families names them.
    """
    if name is None:
        families = {f"{family}{{6n+2}}": about for family, (_, about) in networks.FAMILIES.items()}
        if as_json:
            return _print_json(families=families)
        width = max(map(len, families))
        print("\n".join(f"{family:<{width}}  {about}" for family, about in families.items()))
        return print("for example: minires models resnet56")
    options = {} if shortcut is None else {"shortcut": shortcut}
    model = networks.build(name, num_classes=num_classes, in_channels=in_channels, rng=0, **options)
    summary = networks.summarize(model, (in_channels, image, image))
    if as_json:
        return _print_json(summary, "params", "macs", "depth", name=name)
    print(f"{name} on {in_channels} x {image} x {image} pixels, {num_classes} classes")
    print(f"parameters     {summary.params:>16,}")
    print(f"multiply-adds  {summary.macs:>16,}  for one image")
    print(f"depth          {summary.depth:>16,}  layers with weights, shortcuts not counted")


def data(name: Name = None, *, data_dir: str = "data", download: Switch = False, as_json: Json = False):
    """List the data sets, or read one and say what it holds.

    For example: minires data cifar10 --download

    Args:
        name: Name of a data set; all of them if not given.
        data_dir: Folder of its files.
        download: Fetch the files from their official addresses into the folder first.
    """
    if name is None:
        if download:
            raise RangeError("--download needs the name of a data set: minires data cifar10 --download")
        return _list_data_sets(data_dir, as_json)
    if download:
        data_sets.download(name, data_dir)
    splits = {split: data_sets.load(name, split, data_dir) for split in ("train", "test")}
    mean, std = splits["train"].mean_std()
    facts = {
        "name": name,
        "classes": list(splits["train"].classes),
        "image": list(splits["train"].images.shape[1:]),
        "train": len(splits["train"]),
        "test": len(splits["test"]),
        "mean": mean.tolist(),
        "std": std.tolist(),
    }
    if as_json:
        return _print_json(**facts)
    for key, value in facts.items():
        values = value if isinstance(value, list) else [value]
        print(f"{key:<8}", ", ".join(f"{v:.4f}" if isinstance(v, float) else str(v) for v in values))


def _list_data_sets(data_dir, as_json):
    there = {name: is_there(name, data_dir) for name in data_sets.DATASETS}
    if as_json:
        return _print_json(data_sets={name: {"about": ABOUT[name], "there": found} for name, found in there.items()})
    for name, found in there.items():
        print(f"{name:<18} {ABOUT[name]:<72} {'ready' if found else f'not in {data_dir}'}")
    print("for example: minires data fashion_mnist_12k")


COMMANDS = {"train": train, "eval": evaluate_run, "check": check, "models": models, "data": data}


def main(argv=None):
    """Run the command line ``argv`` (default: that of the process) and return its exit code."""
    argv = sys.argv[1:] if argv is None else list(argv)
    try:
        code = _run(argv)
        sys.stdout.flush()
        return code
    except SystemExit as exit:  # help, or an option that does not exist
        return exit.code or 0
    except (RangeError, DTypeError) as error:
        return _complain(error, USAGE)
    except Interrupted as error:
        return _complain(error, STOPPED + error.signal)
    except KeyboardInterrupt:
        return _complain("stopped", STOPPED + signal.SIGINT)
    except BrokenPipeError:  # the reader, such as head, has seen enough
        sys.stdout = None
        return FAILED
    except (MiniresError, OSError) as error:
        return _complain(error, FAILED)
    except MemoryError as error:
        return _complain(f"{str(error) or 'the memory is full'}: take a smaller batch, image or network", FAILED)


def _run(argv):
    words = [word.split("=")[0].replace("-", "_") for word in argv if word.startswith("--")]
    given = tuple(word.removeprefix("__").removeprefix("no_") for word in words)
    commands = COMMANDS | {"train": functools.partial(train, given=given)}
    description = "Residual networks from scratch, with manual backprop."
    return tyro.extras.subcommand_cli_from_dict(commands, prog="minires", args=argv, description=description) or 0


def _complain(error, code):
    print(f"minires: {error}", file=sys.stderr)
    return int(code)


def _print_json(source=None, *fields, **facts):
    print(json.dumps(facts | {field: getattr(source, field) for field in fields}))
