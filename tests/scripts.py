"""The scripts of bench/ as modules."""

import importlib.util
from pathlib import Path

BENCH = Path(__file__).parents[1] / "bench"


def script(name):
    """bench/NAME.py, read anew."""
    spec = importlib.util.spec_from_file_location(name, BENCH / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
