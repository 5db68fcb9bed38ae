"""What experiments share: the recipe for the digits, networks that several of them look at, sabotage."""

import contextlib

from .. import models
from ..data import Loader, Normalize, load
from ..errors import NumericError
from ..train import evaluate, run

RECIPE = {
    "lr": 0.05,
    "batch_size": 64,
    "weight_decay": 1e-4,
    "schedule": "steps",
    "milestones": (0.75,),
    "warmup": 20,
    "augment": "none",
}


class Lab:
    """Where experiments are done: the engine ("compiled" or "reference"), and who hears of the progress.

    progress: called with a few words whenever a part is done   digits: the pair (training, test) of data sets
    """

    def __init__(self, engine="compiled", progress=lambda words: None):
        self.engine, self.progress = engine, progress
        self.digits = load("digits", "train"), load("digits", "test")
        self._trained = {}

    def train(self, model, epochs, *, seed, data=None, about="", **settings):
        """Train ``model`` in place and return the rows of its epochs; fewer, where the loss was no longer finite.

        seed: of the order of the images   data: (training, test), the digits by default   about: its name for progress
        """
        rows = []

        def keep(row):
            rows.append(row)
            self.progress(f"{about} epoch {row['epoch']} of {epochs}, training loss {row['train_loss']:.3f}".strip())

        with contextlib.suppress(NumericError):
            settings = RECIPE | {"engine": self.engine, "seed": seed} | settings
            run(model, data or self.digits, epochs, on_epoch=keep, **settings)
        return rows

    def trained(self, name, seed, epochs=6, **options):
        """(model, rows) of the network ``name`` trained on the digits; made once for all experiments that look at it.

        Nobody may change the model: deep copies are for that.
        """
        key = name, seed, epochs, tuple(sorted(options.items()))
        if key not in self._trained:
            model = models.build(name, rng=seed, **options)
            self._trained[key] = model, self.train(model, epochs, seed=seed, about=name)
        return self._trained[key]

    def accuracy(self, model, data=None):
        """Part of ``data`` (the digits' test set by default) that ``model`` classifies rightly; 0 if it gives NaN."""
        data = data or self.digits[1]
        with contextlib.suppress(NumericError):
            return evaluate(
                model, Loader(data, 256, seed=0, shuffle=False, normalize=Normalize.of(self.digits[0]))
            ).accuracy
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
