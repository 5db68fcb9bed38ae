"""The methods of the stand-in's array that compute: CuPy's arguments, and device arrays for single numbers too."""

import numpy as np

from .counters import record
from .device_array import ndarray, note_leak, refuse_host
from .table import bind, parameters


def _method(name, names, launches):
    """``ndarray.name`` with the parameters ``names``: no ``where=``, no ``initial=``."""
    signature = parameters("self, " + names)

    def method(*args, **kwargs):
        given = bind(f"ndarray.{name}", signature, args, kwargs)
        array, out = given.pop("self"), given.pop("out", None)
        if out is not None and not isinstance(out, ndarray):
            raise TypeError("Output arguments type must be cupy.ndarray")
        values = {key: refuse_host(name, value) for key, value in given.items()}
        record("launches", name, times=launches)
        with np.errstate(all="ignore"):
            host = np.asarray(getattr(array._host, name)(**values), order="C")
        if values.get("dtype") is None:
            note_leak(name, [array], [host])
        if out is None:
            return ndarray(host)
        out._host[...] = host
        return out

    method.__name__ = name
    return method


# Launches and arguments as in CuPy 14.2
for _name, _launches, _names in (
    ("sum", 1, "axis=, dtype=, out=, keepdims="),
    ("prod", 1, "axis=, dtype=, out=, keepdims="),
    ("mean", 1, "axis=, dtype=, out=, keepdims="),
    ("var", 3, "axis=, dtype=, out=, ddof=, keepdims="),
    ("std", 4, "axis=, dtype=, out=, ddof=, keepdims="),
    ("max", 1, "axis=, out=, keepdims="),
    ("min", 1, "axis=, out=, keepdims="),
    ("argmax", 1, "axis=, out=, dtype=, keepdims="),
    ("argmin", 1, "axis=, out=, dtype=, keepdims="),
    ("all", 1, "axis=, out=, keepdims="),
    ("any", 1, "axis=, out=, keepdims="),
    ("cumsum", 2, "axis=, dtype=, out="),
    ("cumprod", 2, "axis=, dtype=, out="),
    ("clip", 1, "min=, max=, out="),
    ("round", 1, "decimals=, out="),
    ("take", 1, "indices, axis=, out="),
    ("argsort", 2, "axis=, kind="),
    ("repeat", 2, "repeats, axis="),
    ("conj", 1, "out="),
):
    setattr(ndarray, _name, _method(_name, _names, _launches))
