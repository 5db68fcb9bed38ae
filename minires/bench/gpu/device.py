"""CuPy with a GPU, or for a dry run the stand-in for CuPy, whose kernels g++ has compiled for the host."""

import contextlib
import importlib.util
import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

import minires

from ...backend import require_device, to_device, xp_of
from ...errors import DeviceError, StateError

ROOT = Path(minires.__file__).parents[1]
TESTS = ROOT / "tests"


def environment() -> dict[str, str]:
    """That of another process, which finds this minires."""
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))}


def require_day(dry_run: bool) -> None:
    """Raise StateError or DeviceError where the day, or its dry run, cannot begin."""
    if not (TESTS / "cuda_emulation").is_dir():
        raise StateError(f"the day needs tests and emulation, and {TESTS} has none: run it in a checkout of minires")
    if importlib.util.find_spec("pytest") is None:
        raise StateError('the day runs tests, and pytest is missing: pip install "minires[dev]"')
    if not dry_run:
        _require_gpu()
    elif shutil.which("g++") is None:
        raise StateError("a dry run compiles the CUDA sources for the host, and g++ is missing: install g++")


def _require_gpu():
    """In a process of its own, which leaves nothing on the GPU."""
    code = "from minires.backend import require_device; require_device('cuda')"
    found = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True)
    if found.returncode:
        reason = found.stderr.strip().rpartition("\n")[2].removeprefix("minires.errors.DeviceError: ")
        raise DeviceError(f"{reason}; or see the day without a GPU: minires bench gpu --dry-run")


def open_device(dry_run: bool) -> ModuleType:
    """CuPy, or the stand-in in its place. Raises DeviceError where there is no GPU."""
    if dry_run:
        sys.path.insert(0, str(TESTS))
        import cupy_strict  # type: ignore[import-not-found]

        sys.modules["cupy"] = cupy_strict
    require_device("cuda")
    return xp_of(to_device(np.zeros(1, np.float32), "cuda"))


def milliseconds(xp: ModuleType, call: Callable[[], Any], repeats: int, rounds: int) -> dict[str, float]:
    """By events: the median, least and most of ``rounds``, each the mean of ``repeats`` calls."""
    times = []
    for _ in range(rounds):
        begin, end = xp.cuda.Event(), xp.cuda.Event()
        begin.record()
        for _ in range(repeats):
            call()
        end.record()
        end.synchronize()
        times.append(xp.cuda.get_elapsed_time(begin, end) / repeats)
    return {"ms": statistics.median(times), "least": min(times), "most": max(times)}


@contextlib.contextmanager
def without_waiting(xp: ModuleType) -> Iterator[None]:
    """Raise where the block waits for the device."""
    if hasattr(xp, "budget"):  # the stand-in counts
        with xp.budget(syncs=0):
            yield
        return
    import cupyx

    with cupyx.allow_synchronize(False):
        yield
