"""The public names: listed, sorted, existing, documented."""

import copy
import importlib
import inspect
import subprocess
import sys

import numpy as np
import pytest

import minires

ROOMS = (
    "bench",
    "classroom",
    "data",
    "files",
    "gradcheck",
    "lab",
    "layers",
    "models",
    "mutants",
    "trace",
    "train",
    "weights",
)
PACKAGES = ["minires", *(f"minires.{room}" for room in ROOMS)]
MODULES = ["minires.losses", "minires.ops", "minires.initializers", "minires.backend", "minires.errors"]


@pytest.mark.parametrize("package", PACKAGES)
def test_all_is_sorted_and_true(package):
    module = importlib.import_module(package)
    assert module.__all__ == sorted(module.__all__)
    assert len(set(module.__all__)) == len(module.__all__)
    for name in module.__all__:
        assert hasattr(module, name), f"{package}.__all__ lists {name}, which does not exist"


def public():
    for package in PACKAGES:
        module = importlib.import_module(package)
        yield from ((f"{package}.{name}", getattr(module, name)) for name in module.__all__)
    for name in MODULES:
        module = importlib.import_module(name)
        for key, value in vars(module).items():
            if not key.startswith("_") and getattr(value, "__module__", None) == name:
                yield f"{name}.{key}", value


@pytest.mark.parametrize(("name", "value"), list(public()), ids=lambda v: v if isinstance(v, str) else "")
def test_documented(name, value):
    if inspect.ismodule(value) or inspect.isclass(value) or inspect.isfunction(value):
        assert (value.__doc__ or "").strip(), f"{name} has no docstring"


def test_what_the_readme_shows_is_there_after_one_import():
    code = "from minires import *; print(trace.trace, train.fit, data.load, weights.load_weights, models.build)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def test_results_are_one_line_and_can_be_compared():
    x, labels = np.random.default_rng(0).standard_normal((2, 3, 8, 8)).astype(np.float32), np.array([1, 2])
    ledger = minires.trace.trace(minires.models.build("resnet8", rng=0), x, labels)
    sums, lengths, audit = (getattr(minires.trace, f)(ledger) for f in ("telescope", "path_lengths", "audit"))
    params = minires.layers.Linear(2, 2, rng=0).params
    optimisers = minires.train.SGD(params(), 0.1), minires.train.AdamW(params(), 0.1)
    shown = {
        ledger: "<Ledger of 3 blocks and 3 forks, model='Sequential', dtype='float32', shape=[2, 3, 8, 8], train=True>",
        sums: "<Telescope, local form, 3 terms from x_3 to x_0>",
        lengths: f"<PathLengths of 3 blocks, mean length {lengths.mean_length:.3g}>",
        audit: "<Audit of 3 blocks, the identity holds for 0 of 6 pairs>",
        optimisers[0]: "<SGD of 2 parameters, lr=0.1, momentum=0.9, nesterov=False, weight_decay=0.0, "
        "decay_all=True, scalar_rate=1.0>",
        optimisers[1]: "<AdamW of 2 parameters, lr=0.1, betas=(0.9, 0.999), eps=1e-08, "
        "weight_decay=0.01, decay_all=True, scalar_rate=1.0>",
    }
    for result, words in shown.items():
        assert repr(result) == words
        assert result == result and (result == copy.copy(result)) in (True, False)


def test_version():
    assert minires.__version__.count(".") == 2
