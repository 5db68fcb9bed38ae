"""CuPy with a GPU, or for a dry run the stand-in for CuPy, whose kernels g++ has compiled for the host."""

import contextlib
import importlib.util
import shutil
import statistics
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

import minires

from ...backend import require_device, to_device, xp_of
from ...errors import StateError

TESTS = Path(minires.__file__).parents[1] / "tests"


def require_dry_run() -> None:
    """Raise StateError where the emulation cannot run."""
    if not (TESTS / "cuda_emulation").is_dir():
        raise StateError(f"a dry run needs the emulation, and {TESTS} has none: run it in a checkout of minires")
    if shutil.which("g++") is None:
        raise StateError("a dry run compiles the CUDA sources for the host, and g++ is missing: install g++")
    if importlib.util.find_spec("pytest") is None:
        raise StateError('a dry run needs pytest, which is missing: pip install "minires[dev]"')


def open_device(dry_run: bool) -> ModuleType:
    """CuPy, or the stand-in in its place. Raises DeviceError where there is no GPU."""
    if dry_run:
        require_dry_run()
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
