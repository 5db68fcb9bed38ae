"""minires train, minires eval."""

import dataclasses
import shlex
from typing import Annotated

import tyro

from .. import data as data_sets
from ..backend import require_device
from ..errors import RangeError
from ..train import TrainConfig, evaluate, fit, load_model, resume
from ..train.training import limited
from .common import Device, Hidden, Json, Number, Text, given_options, print_json

NEXT = """\
              minires train --model plain20 --epochs 3     the same network without shortcuts
              minires train --model resnet56 --epochs 3    a deeper one
              minires check                                is every gradient right?"""


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
        return print_json(result, "test_accuracy", "train_loss", "epochs", "seconds", "run_dir")
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
    device: Device = "cpu",
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
    options = given_options(data=data, data_dir=data_dir, limit_test=limit_test)
    config = dataclasses.replace(checkpoint.config, **options)
    images = limited(data_sets.load(config.data, "test", config.data_dir), config.limit_test)
    loader = data_sets.Loader(images, batch_size, seed=0, shuffle=False, normalize=checkpoint.normalize())
    result = evaluate(model.to(device=device), loader, device)
    if as_json:
        return print_json(result, "accuracy", "correct", "total")
    print(f"accuracy {result.accuracy:.2%}: {result.correct} of {result.total} test images of {images.name} are right")
