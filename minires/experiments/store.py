"""Numbers of experiments in a folder: a JSON for each experiment, of the same bytes however often it was interrupted.

What differs from run to run and machine to machine, the seconds, stands in a file of its own, times.json.
"""

import json
import math
import os
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__
from ..engine import processor
from ..errors import DataFileError, DTypeError, StateError
from ..files import StrPath, make_folder, write_atomically

TIMES = "times"
NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}  # JSON has no words for them
OTHER = "choose another folder, or remove the file"


class Store:
    """The folder ``out``, for numbers that are measured by these ``settings`` (quick, engine)."""

    def __init__(self, out, **settings):
        self.folder, self.settings = Path(out).expanduser(), settings

    def missing(self, experiment, seeds):
        """The ``seeds`` of which no numbers are there that this version would measure too.

        Raises StateError where there are numbers of other settings: an hour of the full version is not overwritten.
        """
        found = _read(self.folder, experiment.name)
        if found is None:
            return list(seeds)
        for name, value in self.settings.items():
            if found["settings"].get(name) != value:
                raise StateError(
                    f"{_file(self.folder, experiment.name)} was measured with {name} = "
                    f"{found['settings'].get(name)}, expected {value}: {OTHER}"
                )
        there = found["seeds"] if found["settings"] == self._settings_of(experiment) else {}
        return [seed for seed in seeds if seed not in there]

    def keep(self, experiment, seed, numbers, seconds):
        """Put the numbers of one seed beside those that fit to them; those of another version go."""
        make_folder(self.folder)
        found, settings = _read(self.folder, experiment.name), self._settings_of(experiment)
        seeds = found["seeds"] if found and found["settings"] == settings else {}
        _write(self.folder, experiment.name, settings, seeds | {seed: numbers})
        path = _file(self.folder, TIMES)
        times = _parsed(path) if path.exists() else {}
        times.setdefault(experiment.name, {})[str(seed)] = {
            "seconds": round(seconds, 1),
            "machine": f"{processor()}, {os.cpu_count()} cores",
        }
        write_atomically(path, (json.dumps(times, indent=1, sort_keys=True) + "\n").encode())

    def parts(self, experiment):
        """The folder for parts of long measurements, of this version of the experiment alone; None in quick."""
        return None if self.settings["quick"] else str(self.folder / "parts" / self._settings_of(experiment)["source"])

    def _settings_of(self, experiment):
        """What the numbers depend on; an edited experiment is another."""
        source = Path(experiment.measure.__code__.co_filename).read_bytes()
        versions = {"minires": __version__, "numpy": np.__version__, "source": f"{zlib.crc32(source):08x}"}
        return self.settings | versions


def stored(out: StrPath) -> dict[str, Any]:
    """{name: {"settings": {...}, "seeds": {seed: numbers}}} of the experiments in the folder ``out``, by name."""
    folder = Path(out).expanduser()
    names = sorted(path.stem for path in folder.glob("*.json") if path.stem != TIMES)
    return {name: _read(folder, name) for name in names}


def times(out):
    """{name: {seed: {"seconds": ..., "machine": ...}}} of the measurements in the folder ``out``."""
    path = _file(Path(out).expanduser(), TIMES)
    if not path.exists():
        return {}
    return {name: {int(seed): time for seed, time in seeds.items()} for name, seeds in _parsed(path).items()}


def plain(numbers, where="numbers"):
    """``numbers``, if JSON can hold them: a dict by strings, lists and plain numbers. Raises DTypeError."""
    if isinstance(numbers, dict) and all(isinstance(key, str) for key in numbers):
        return {key: plain(value, f"{where}[{key!r}]") for key, value in numbers.items()}
    if isinstance(numbers, (list, tuple)):
        return [plain(value, f"{where}[{i}]") for i, value in enumerate(numbers)]
    if isinstance(numbers, float):  # NumPy's float64 is one
        return float(numbers)
    if isinstance(numbers, int):
        return int(numbers)
    raise DTypeError(
        f"{where} is a {type(numbers).__name__}, expected a float, a list or a dict by strings: convert it"
    )


def _file(folder, name):
    return folder / f"{name}.json"


def _write(folder, name, settings, seeds):
    """A line for each seed, so that a difference shows where it is."""
    lines = [f"{json.dumps(str(seed))}: {_strict(seeds[seed])}" for seed in sorted(seeds)]
    head = f'{{"name": {json.dumps(name)}, "settings": {json.dumps(settings, sort_keys=True)}, "seeds": {{\n'
    write_atomically(_file(folder, name), (head + ",\n".join(lines) + "\n}}\n").encode())


def _strict(numbers):
    return json.dumps(_map(numbers, lambda x: x if math.isfinite(x) else json.dumps(x)), allow_nan=False)


def _map(numbers, function):
    if isinstance(numbers, dict):
        return {key: _map(value, function) for key, value in numbers.items()}
    if isinstance(numbers, list):
        return [_map(value, function) for value in numbers]
    return function(numbers)


def _read(folder, name):
    """The content of the file of an experiment, None where there is none. Raises DataFileError."""
    path = _file(folder, name)
    if not path.exists():
        return None
    found = _parsed(path)
    try:
        seeds = {
            int(seed): _map(numbers, lambda x: NOT_FINITE[x] if isinstance(x, str) else x)
            for seed, numbers in found["seeds"].items()
        }
        return {"settings": dict(found["settings"]), "seeds": seeds}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DataFileError(f"{path} holds something else, expected numbers of an experiment: {OTHER}") from error


def _parsed(path):
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise DataFileError(f"{path} cannot be read ({error.strerror}): check its permissions") from error
    except ValueError as error:
        raise DataFileError(f"{path} holds no JSON ({error}): {OTHER}") from error
