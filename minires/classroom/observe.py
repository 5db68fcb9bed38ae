"""Everything that one forward and one backward of a layer show, as arrays with names."""

import copy
import re
import traceback
import warnings
from math import isfinite

import numpy as np

from ..errors import MiniresError
from ..layers.base import Param
from .box import FOREIGN, Failure
from .functions import TERMS, FunctionLayer

AGREES = {8: 1e-7, 4: 1e-5}  # relative differences taken for rounding, by the bytes of a number
LEAST = 1e-5  # of inputs of order 1: what is smaller is what remains of a sum that cancels
_OF_CACHE = re.compile(r"the output of forward had \((?![0-9, ]*\))")  # where shapes would stand


def outputs(layer, x, dy, train, between=True, terms=False, left=None):
    """``{name: array, or text where it raised}`` of ``layer``, which is copied.

    y; the value of each buffer; dx and the gradient of each parameter, "dgamma"; the same once more by a second
    backward, added up, "twice dx"; whether x, dy and the parameters are left alone, "keeps x", as 1 or 0. Before the
    first backward runs another forward, which a cache that was not returned, or running statistics that were not kept,
    would not survive. terms: whether those of a residual block are looked at, "shortcut_term" and "branch_term"
    left: a dict for x, dy and the parameters as they are afterwards
    """
    layer, given, upstream, again, found = copy.deepcopy(layer), x.copy(), np.array(dy), np.array(dy), {}
    way = "forward"
    before = {name: p.data.copy() for name, p in layer.params()}
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            y, cache = layer.forward(given, train)
            found["y"] = np.array(y)
            buffers = ((name, b) for name, b in layer.tensors() if not isinstance(b, Param) and name != "targets")
            found |= {name: b.data.copy() for name, b in buffers}
            if between:
                layer.forward(x[::-1] * 1.5, True)
            way = "backward"
            first = _gradients(layer, upstream, cache)
            found |= first
            second = _gradients(layer, np.array(dy), cache, first)
            found |= {f"twice {name}": value for name, value in second.items()}
    except Exception as error:  # whatever a student's code raises is an observation
        found["raised"] = Raised(error, _name(layer, way))
    if terms and "y" in found:
        found |= _terms(layer, x, again, cache)
    found["keeps x"] = np.float64(np.array_equal(given, x))
    found["keeps dy"] = np.float64(np.array_equal(upstream, dy) and np.array_equal(again, dy))
    found["keeps parameters"] = np.float64(all(np.array_equal(before[name], p.data) for name, p in layer.params()))
    if left is not None:
        changed = again if np.array_equal(upstream, dy) else upstream
        left |= {"x": given, "dy": changed} | {name: p.data for name, p in layer.params()}
    return found


class Raised(str):
    """What an error says that stands in the place of outputs.

    by: name of the function that raised   ended: whether it ended the submission, which gives no answer any more
    """

    by: str
    ended: bool

    def __new__(cls, error: Exception, by: str) -> "Raised":
        text = super().__new__(cls, raised(error))
        text.by, text.ended = by, isinstance(error, Failure) and error.kind not in ("raised", "missing", "result")
        return text


def _name(layer, way):
    """That of the function that is called, for a layer of minires "forward", "backward" or "terms"."""
    return getattr(getattr(layer, f"_{way}", None), "__name__", way)


def is_term(name):
    """Whether an output is one of the terms that add up to dx."""
    return name.endswith("_term")


def _terms(layer, x, dy, cache):
    """The terms of dx, zeros in the place of one that a wrong block has not."""
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            found = (layer.summands if isinstance(layer, FunctionLayer) else layer.terms)(dy, cache)
    except Exception as error:  # whatever a student's code raises is an observation
        return {f"{name}_term": Raised(error, _name(layer, "terms")) for name in TERMS}
    return {f"{name}_term": _as_array(found.get(name, np.zeros_like(x))) for name in TERMS}


def raised(error):
    """What an error of a student's code says, and where."""
    if isinstance(error, Failure):  # in a box, from which the text comes whole
        return str(error)
    return f"{type(error).__name__}: {_foreign(error) or error}{line(error)}"


def _foreign(error):
    """What is to be said where backward of a layer of minires got a cache that its forward has not made, else ""."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    inside = [f for f in frames if f.f_globals.get("__name__", "").startswith("minires.layers.")]
    if not inside or inside[0].f_code.co_name != "backward":
        return ""
    if isinstance(error, MiniresError) and not _OF_CACHE.search(str(error)):  # which says itself what is wrong
        return ""
    return FOREIGN.format(type(inside[0].f_locals["self"]).__name__)


def line(error):
    """Where in the code of a student, which is neither minires nor NumPy, an error was raised: " (line 12)", or ""."""
    lines = [
        number
        for frame, number in traceback.walk_tb(error.__traceback__)
        if not frame.f_globals.get("__name__", "").startswith(("minires.", "numpy"))
    ]
    return f" (line {lines[-1]})" if lines else ""


def _gradients(layer, dy, cache, before=None):
    """dx and the gradient of each parameter, added to those of ``before``."""
    if before is None:
        layer.zero_grads()
    if not isinstance(layer, FunctionLayer):
        dx = np.array(layer.backward(dy, cache))
        found = {"dx": dx if before is None else before["dx"] + dx}
        return found | {f"d{name}": p.grad.copy() for name, p in layer.params()}
    found = {name: _as_array(value) for name, value in layer.results(dy, cache).items()}
    if before is not None:
        found = {name: _sum(before[name], value) for name, value in found.items()}
    return {f"d{name}": p.grad.copy() for name, p in layer.params() if f"d{name}" not in found} | found


def _as_array(value):
    """A copy as an array of floats, or the name of the type of what is none."""
    try:
        array = np.array(value)
    except ValueError:
        return type(value).__name__
    return array.astype(float) if array.dtype.kind in "iub" else array if array.dtype.kind == "f" else str(value)[:20]


def _sum(a, b):
    return a + b if isinstance(a, np.ndarray) and isinstance(b, np.ndarray) and a.shape == b.shape else b


def same(a, b):
    """Whether two observations agree to rounding; two numbers that are not finite do."""
    if isinstance(a, str) or isinstance(b, str) or a is None or b is None:
        return isinstance(a, str) and isinstance(b, str)
    if a.shape != b.shape:
        return False
    if not a.size:
        return True
    largest, other = float(abs(a).max()), float(abs(b).max())
    if not (isfinite(largest) and isfinite(other)):
        return not isfinite(largest) and not isfinite(other)
    return bool(abs(a - b).max() <= AGREES[min(a.itemsize, b.itemsize, 8)] * max(largest, other, LEAST))
