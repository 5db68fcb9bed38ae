"""Write cupy_names.json: ``PYTHONPATH=tests python -m cupy_strict.snapshot`` where CuPy is installed; no GPU needed."""

import inspect
import json
from pathlib import Path


def snapshot(cupy):
    """The public names of ``cupy``: ufuncs with their loops, functions with their parameters."""
    return {
        "version": cupy.__version__,
        "ns": {name: _entry(cupy, getattr(cupy, name)) for name in _public(cupy)},
        "ndarray": {name: _parameters(getattr(cupy.ndarray, name)) for name in _public(cupy.ndarray)},
        "linalg": _public(cupy.linalg),
        "random": _public(cupy.random),
    }


def _public(owner):
    return [name for name in dir(owner) if not name.startswith("_")]


def _entry(cupy, value):
    if isinstance(value, cupy.ufunc):
        # bfloat16 (E) is there only where the package ml_dtypes is
        return ["ufunc", value.nin, value.nout, [loop for loop in value.types if "E" not in loop]]
    if inspect.isclass(value) or inspect.ismodule(value):
        return ["other"]
    return ["func", _parameters(value)] if callable(value) else ["const"]


def _parameters(function):
    """``[[name, kind, has a default], ...]``, or None where CuPy compiled the signature away."""
    try:
        listed = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return None
    return [[p.name, int(p.kind), p.default is not inspect.Parameter.empty] for p in listed]


if __name__ == "__main__":
    import cupy

    Path(__file__).with_name("cupy_names.json").write_text(json.dumps(snapshot(cupy)))
