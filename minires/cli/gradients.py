"""minires trace, minires step."""

import functools
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import tyro
from tqdm import tqdm

from .. import data as data_sets
from .. import models as networks
from ..errors import RangeError
from ..trace import Stepper, audit
from ..trace import trace as trace_gradient
from ..trace.report import as_dict
from ..trace.shell import run_shell
from ..train import load_model
from ..train.files import write_atomically
from .common import Json, Text, given_options, print_json

Run = Annotated[str | None, tyro.conf.arg(metavar="RUN")]
Page = Annotated[str | None, tyro.conf.arg(metavar="FILE")]
DType = Literal["float32", "float64"]


def trace(
    *,
    model: str = "resnet20",
    block: Text = None,
    shortcut: Text = None,
    run: Run = None,
    data: str = "fashion_mnist_12k",
    data_dir: str = "data",
    batch: int = 8,
    dtype: DType = "float32",
    seed: int = 0,
    html: Page = None,
    as_json: Json = False,
):
    """Trace the gradient through a residual network: every term named, kept and added up.

    For example: minires trace --model resnet20 --block full_preact --html page.html

    Args:
        model: Name of a network with fresh weights.
        block: Where its activations stand; minires models names the kinds.
        shortcut: Kind of its shortcuts; minires models names them.
        run: Folder of a run, or its checkpoint: trace that trained network instead.
        data: Data set of the images.
        data_dir: Folder of its files.
        batch: Test images in the batch.
        dtype: Precision; float64 shows the sums to 15 digits.
        seed: Seed of fresh weights.
        html: Write a page to step through, in one file, for any browser.
    """
    name, network, images, labels = _subject(model, block, shortcut, run, data, data_dir, batch, dtype, seed)
    ledger = trace_gradient(network, images, labels)
    bar = functools.partial(tqdm, disable=None, leave=False, desc="paths by length", unit="block")
    if html is not None:
        from ..trace.viewer import to_html

        page = to_html(as_dict(ledger, name=name, pictures=True, progress=bar))
        write_atomically(Path(html), page.encode())
    if as_json:
        return print_json(**as_dict(ledger, name=name, progress=bar))
    print(f"{name}, {len(labels)} images of {data}, {dtype}, loss {ledger.loss:.4f}\n")
    print(ledger.table())
    if ledger.blocks:
        print(f"\n{audit(ledger)}")
    if html is not None:
        print(f"\nto step through it, open {html} in a browser")


def step(
    *,
    model: str = "resnet8",
    block: Text = None,
    shortcut: Text = None,
    run: Run = None,
    data: str = "fashion_mnist_12k",
    data_dir: str = "data",
    batch: int = 4,
    dtype: DType = "float32",
    seed: int = 0,
):
    """Step through a network layer by layer, forward and backward, as in a debugger.

    For example: minires step --model resnet8

    Args:
        model: Name of a network with fresh weights.
        block: Where its activations stand; minires models names the kinds.
        shortcut: Kind of its shortcuts; minires models names them.
        run: Folder of a run, or its checkpoint: step through that trained network instead.
        data: Data set of the images.
        data_dir: Folder of its files.
        batch: Test images in the batch.
        dtype: Precision of all numbers.
        seed: Seed of fresh weights.
    """
    _, network, images, labels = _subject(model, block, shortcut, run, data, data_dir, batch, dtype, seed)
    run_shell(Stepper(network, images, labels))


def _subject(model, block, shortcut, run, data, data_dir, batch, dtype, seed):
    """(name, network, images, labels): what to trace."""
    test = data_sets.load(data, "test", data_dir)
    if not 1 <= batch <= len(test):
        raise RangeError(f"batch is {batch}, expected 1 to {len(test)}, the test images of {data}: change batch")
    options = given_options(block=block, shortcut=shortcut)
    if run is None:
        normalize = data_sets.Normalize.of(test)
        shape = {"num_classes": len(test.classes), "in_channels": test.images.shape[1]}
        network = networks.build(model, **shape, rng=seed, **options)
        name = ", ".join([model, *options.values()])
    else:
        if options:
            raise RangeError(f"{' and '.join(options)} belong to a fresh network, {run} has its own: leave them out")
        network, checkpoint = load_model(run)
        normalize = checkpoint.normalize()
        name = f"{checkpoint.config.model}, trained for {checkpoint.position.epoch} epochs"
    return name, network.to(dtype=dtype), normalize(test.images[:batch], np.dtype(dtype)), test.labels[:batch]
