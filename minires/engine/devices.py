"""Which device runs a plan: the one place that knows the devices."""

from collections.abc import Sequence
from threading import Lock
from typing import Any

import numpy as np

from ..backend import Array, device_of
from .cpu.executor import Executor
from .plan import Plan

FLOATS = np.dtype(np.float32), np.dtype(np.float64)


def unsuited(x: Array, forms: Sequence[tuple]) -> str | None:
    """Why no device can take ``x``; None where one can. forms: (type, shape, dtype) of each tensor of the model."""
    if not is_plain(x):
        where = device_of(x)
        kind = f"on {where}, where the engine has no kernels" if where != "cpu" else f"a {type(x).__name__}"
        return f"the input is {kind}"
    dtype = x.dtype.newbyteorder("=")
    if dtype not in FLOATS:
        return "the engine computes in float32 and float64"
    for kind, _, other in forms:
        if kind is not np.ndarray or other != dtype and other.kind in "fc":
            where = "" if kind is np.ndarray else f" in a {kind.__name__}"
            return f"its parameters are {other}{where}"
    return None


def executor(plan: Plan, threads: int, lock: Lock, frozen: bool) -> Any:
    """What runs ``plan``, see :mod:`~minires.engine.plan`."""
    return Executor(plan, threads, lock, frozen)


def is_plain(x: Any) -> bool:
    """Whether x is an array of NumPy's own kind."""
    return isinstance(x, np.ndarray) and not isinstance(x, np.ma.MaskedArray)
