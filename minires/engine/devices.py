"""Which device runs a plan: the one place that knows the devices."""

import functools
from collections.abc import Sequence
from threading import Lock
from types import ModuleType
from typing import Any

import numpy as np

from ..backend import Array, xp_of
from ..layers import Layer
from ..losses import SoftmaxCrossEntropy
from .cpu.executor import Executor
from .cuda.cards import OLDEST
from .cuda.executor import Executor as CudaExecutor
from .cuda.modules import PRECISIONS, Modules
from .cuda.whole import Steps
from .plan import Plan
from .values import Unsuited

__all__ = ["PRECISIONS", "executor", "is_plain", "native", "unsuited", "whole_steps"]

FLOATS = np.dtype(np.float32), np.dtype(np.float64)


def unsuited(x: Array, forms: Sequence[tuple]) -> str | None:
    """Why no device can take ``x``; None where one can. forms: (type, shape, dtype) of each tensor of the model."""
    if not is_plain(x):
        return f"the input is a {type(x).__name__}"
    xp, dtype = xp_of(x), x.dtype.newbyteorder("=")
    if xp is np and dtype not in FLOATS:
        return "the engine computes in float32 and float64"
    if xp is not np and (reason := _unable(xp, dtype)):
        return reason
    for kind, _, other in forms:
        if kind is not xp.ndarray or other != dtype and other.kind in "fc":
            where = "" if kind is xp.ndarray else f" in a {kind.__module__.split('.')[0]}.{kind.__name__}"
            return f"its parameters are {other}{where}"
    return None


def _unable(xp, dtype):
    """Why the kernels of the GPU cannot compute."""
    if dtype != np.float32:
        return f"the engine computes in float32 on a GPU, not in {dtype}"
    capability = int(xp.cuda.Device().compute_capability)
    if capability < OLDEST:
        return f"the GPU is of sm_{capability}, and the engine's kernels need sm_{OLDEST}"
    return None


def executor(plan: Plan, x: Array, threads: int, lock: Lock, frozen: bool, precision: str) -> Any:
    """What runs ``plan`` where ``x`` lives, see :mod:`~minires.engine.plan`."""
    xp = xp_of(x)
    if xp is np:
        return Executor(plan, threads, lock, frozen)
    return CudaExecutor(plan, lock, xp, _modules(xp, precision))


def whole_steps(model: Layer, loss: SoftmaxCrossEntropy, optimizer: Any, precision: str, graph: bool) -> Any:
    """What runs whole steps where the tensors of ``model`` are, see :class:`~minires.engine.cuda.whole.Steps`.

    Raises Unsuited where nothing does, as on the CPU. optimizer: SGD or AdamW
    """
    xp = xp_of(next((tensor.data for _, tensor in model.tensors()), None))
    if xp is np:
        raise Unsuited("the model is on the CPU")
    if reason := _unable(xp, np.dtype(np.float32)):
        raise Unsuited(reason)
    return Steps(model, loss, optimizer, xp, _modules(xp, precision), graph)


@functools.cache
def _modules(xp: ModuleType, precision: str) -> Modules:
    """The kernels, compiled once for all plans."""
    return Modules(xp, precision)


def is_plain(x: Any) -> bool:
    """Whether x is an array of NumPy's or CuPy's own kind."""
    return type(x) is xp_of(x).ndarray or isinstance(x, np.ndarray) and not isinstance(x, np.ma.MaskedArray)


def native(x: Array) -> Array:
    """x in the byte order of the machine, without what NumPy wraps around arrays: a matrix or a map of a file."""
    if xp_of(x) is np:
        x = np.asarray(x)
    return x if x.dtype.isnative else x.astype(x.dtype.newbyteorder("="))
