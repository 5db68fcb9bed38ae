"""A strict stand-in for CuPy over NumPy memory: the names and refusals of CuPy 14.2, no GPU.

NumPy forgives what CuPy does not. Put in the place of the module ``cupy``, this package computes NumPy's
numbers and raises where CuPy would raise, or would compute something undefined: NumPy arrays or lists mixed in,
names and keyword arguments that CuPy lacks, implicit conversion, indices out of bounds or twice in an
assignment, memory used before it is written (``empty`` holds NaN). What CuPy permits but a training step
should not do, it counts::

    with cupy_strict.budget(syncs=0, uploads=2, hidden=0):
        step(x, labels)

    with cupy_strict.watch() as seen:
        step(x, labels)
    print(len(seen.launches), seen.copies)

The kinds are the fields of :class:`~cupy_strict.counters.Seen`. Names that CuPy has and the stand-in does not
model raise NotImplementedError; names that CuPy lacks raise AttributeError, as in CuPy.
"""

from types import SimpleNamespace

import numpy as np

from . import cuda, linear_algebra, methods
from .counters import budget, watch
from .cuda import is_available
from .device_array import ndarray
from .functions import FUNCTIONS
from .operators import UFUNCS, ufunc
from .raw import RawModule
from .table import NAMES, Unmodelled

__version__ = NAMES["version"]
# the same objects in CuPy as in NumPy
SHARED = """bool bool_ int8 int16 int32 int64 uint8 uint16 uint32 uint64 intp float16 float32 float64 complex64
    complex128 number generic integer signedinteger unsignedinteger inexact floating complexfloating dtype finfo iinfo
    ndindex newaxis pi e inf nan euler_gamma s_ index_exp""".split()


linalg = SimpleNamespace(**{name: Unmodelled(f"linalg.{name}") for name in NAMES["linalg"]})
linalg.norm = linear_algebra.norm
linalg.matmul = linear_algebra.matmul
random = SimpleNamespace(**{name: Unmodelled(f"random.{name}") for name in NAMES["random"]})
_pool = SimpleNamespace(free_bytes=lambda: 0, used_bytes=lambda: 0)


def get_default_memory_pool():
    """A pool that keeps nothing."""
    return _pool


lib = SimpleNamespace(
    stride_tricks=SimpleNamespace(
        as_strided=linear_algebra.as_strided, sliding_window_view=linear_algebra.sliding_window_view
    )
)

# The table decides which names exist, so the module is filled from it; from here on ``any`` is CuPy's.
_modelled = UFUNCS | FUNCTIONS | linear_algebra.PRODUCTS | {name: getattr(np, name) for name in SHARED}
for _name in NAMES["ns"]:
    if _name not in globals():
        globals()[_name] = _modelled[_name] if _name in _modelled else Unmodelled(_name)
for _name in NAMES["ndarray"]:
    if not hasattr(ndarray, _name):
        setattr(ndarray, _name, Unmodelled(f"ndarray.{_name}").as_attribute())
