"""What experiments share: the recipe for the digits, networks that several of them look at, sabotage."""

import contextlib
import copy
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from .. import models
from ..backend import Array
from ..data import Dataset, Loader, Normalize, load
from ..engine import compile
from ..errors import CheckpointError, NumericError
from ..files import StrPath, write_atomically
from ..layers import Layer, Residual
from ..train import evaluate, run
from ..weights import load_weights, save_weights

RECIPE = {
    "lr": 0.05,
    "batch_size": 64,
    "weight_decay": 1e-4,
    "schedule": "steps",
    "milestones": (0.75,),
    "warmup": 20,
    "augment": "none",
    "prefetch": 0,
}


class Lab:
    """Where experiments are done: the engine ("compiled" or "reference"), and who hears of the progress.

    progress: called with a few words whenever a part is done   digits: the pair (training, test) of data sets
    data_dir: folder of the data sets that full versions need   weights: file of published weights that one needs
    parts: folder where the parts of long measurements are kept, to go on from when interrupted; None keeps none
    networks: folder for what ``trained`` makes, where the labs of other processes look too; None keeps none
    threads: of the engine, for each network; the numbers do not depend on it
    """

    def __init__(
        self,
        engine: str = "compiled",
        progress: Callable[[str], Any] = lambda words: None,
        *,
        data_dir: StrPath | None = None,
        weights: StrPath | None = None,
        parts: StrPath | None = None,
        networks: StrPath | None = None,
        threads: int = 1,
    ) -> None:
        self.engine, self.progress, self.threads = engine, progress, threads
        self.data_dir, self.weights, self.parts, self.networks = data_dir, weights, parts, networks
        self.digits = load("digits", "train"), load("digits", "test")
        self._trained = {}

    def train(
        self,
        model: Layer,
        epochs: int,
        *,
        seed: int,
        data: tuple[Dataset, Dataset] | None = None,
        about: str = "",
        **settings: Any,
    ) -> list[dict[str, Any]]:
        """Train ``model`` in place and return the rows of its epochs; fewer, where the loss was no longer finite.

        seed: of the order of the images   data: (training, test), the digits by default   about: its name for progress
        """
        rows = []

        def keep(row):
            rows.append(row)
            self.progress(f"{about} epoch {row['epoch']} of {epochs}, training loss {row['train_loss']:.3f}".strip())

        with contextlib.suppress(NumericError):
            settings = RECIPE | {"engine": "reference", "seed": seed} | settings  # the engine is in the network
            run(self.fast(model), data or self.digits, epochs, on_epoch=keep, **settings)
        return rows

    def trained(self, name: str, seed: int, epochs: int = 6, **options: Any) -> tuple[Layer, list[dict[str, Any]]]:
        """(model, rows) of the network ``name`` trained on the digits; made once for all experiments that look at it.

        The model is a copy, to be changed at will.
        """
        key = name, seed, epochs, tuple(sorted(options.items()))
        if key not in self._trained:
            self._trained[key] = self._fetched(name, seed, epochs, options) or self._made(name, seed, epochs, options)
        model, rows = self._trained[key]
        return copy.deepcopy(model), rows

    def _made(self, name, seed, epochs, options):
        model = models.build(name, rng=seed, **options)
        rows = self.train(model, epochs, seed=seed, about=name)
        if self.networks is not None:
            path = self._file(name, seed, epochs, options)
            with contextlib.suppress(NumericError, CheckpointError):  # diverged, or another process writes it too
                save_weights(path, model)
                write_atomically(path.with_suffix(".json"), json.dumps(rows).encode())  # last: it says all is there
        return model, rows

    def _fetched(self, name, seed, epochs, options):
        path = self.networks and self._file(name, seed, epochs, options)
        if not (path and path.with_suffix(".json").exists()):
            return None
        model = models.build(name, rng=None, **options)
        load_weights(path, model)
        return model, json.loads(path.with_suffix(".json").read_bytes())

    def _file(self, name, seed, epochs, options):
        kind = zlib.crc32(repr(sorted(options.items())).encode())
        return Path(self.networks, f"{name}-{seed}-{epochs}-{kind:08x}.safetensors")

    def part(self, name: str, make: Callable[[], Any]) -> Any:
        """The numbers ``make()``, or those of this name that lie in the folder ``parts`` from an earlier time."""
        if self.parts is None:
            return make()
        path = Path(self.parts) / f"{name}.json"
        if not path.exists():
            numbers = make()
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, json.dumps(numbers).encode())
        return json.loads(path.read_text())

    def fast(self, model: Layer) -> Layer:
        """``model`` as the engine of this lab runs it."""
        return compile(model, threads=self.threads, input_gradient=False) if self.engine == "compiled" else model

    def accuracy(
        self, model: Layer, data: Dataset | None = None, normalize: Callable[[Array, Any], Array] | None = None
    ) -> float:
        """Part of ``data`` (the digits' test set by default) that ``model`` classifies rightly; 0 if it gives NaN.

        normalize: of the images, by default that of the digits
        """
        normalize = normalize or Normalize.of(self.digits[0])
        loader = Loader(data or self.digits[1], 256, seed=0, shuffle=False, normalize=normalize, prefetch=0)
        with contextlib.suppress(NumericError), np.errstate(all="ignore"):  # a broken network may overflow
            return evaluate(self.fast(model), loader).accuracy
        return 0.0


@contextlib.contextmanager
def patched(kind, **attributes):
    """Within the block the class (or module) ``kind`` has other ``attributes``: how an experiment is sabotaged."""
    before = {name: getattr(kind, name) for name in attributes}
    try:
        for name, value in attributes.items():
            setattr(kind, name, value)
        yield
    finally:
        for name, value in before.items():
            setattr(kind, name, value)


def without_addition():
    """Sabotage: within the block a Residual is its branch alone, y = F(x), forward and backward."""

    def forward(self, x, train=False):
        y, cache = self.branch.forward(x, train)
        return y, (None, cache)

    def terms(self, dy, cache):
        return {"branch": self.branch.backward(dy, cache[1])}

    return patched(Residual, forward=forward, terms=terms)
