"""The threads of the BLAS library behind NumPy, which must be one while the engine's own threads call it.

Two pools of threads on the same cores wait for each other: with BLAS at its default a training step takes about three
times as long. NumPy has no function for this, so the library that NumPy has loaded is asked by its C functions
(OpenBLAS, whose names differ from wheel to wheel). Another BLAS is left as it is; set its variable (such as
MKL_NUM_THREADS=1) before the import of NumPy then.
"""

import ctypes
import functools
import threading
from contextlib import contextmanager
from pathlib import Path

import numpy as np

_NAMES = (
    "scipy_openblas_{}_num_threads64_",
    "openblas_{}_num_threads64_",
    "scipy_openblas_{}_num_threads",
    "openblas_{}_num_threads",
)
_lock = threading.Lock()
_holders = []  # one entry for each block inside ``one_thread``: the number of threads before the first


@functools.cache
def _functions():
    """(get, set) of the loaded OpenBLAS, or None."""
    folder = Path(np.__file__).parent
    wheels = [*folder.with_name("numpy.libs").glob("*openblas*"), *folder.glob(".dylibs/*openblas*")]
    for place in [*map(str, wheels), None]:  # None: what is linked into the process
        try:
            library = ctypes.CDLL(place)
        except OSError:
            continue
        for name in _NAMES:
            if hasattr(library, name.format("set")):
                return getattr(library, name.format("get")), getattr(library, name.format("set"))
    return None


def threads():
    """How many threads BLAS uses now; None where it cannot be asked."""
    return _functions()[0]() if _functions() else None


@contextmanager
def one_thread():
    """BLAS on one thread inside the block; blocks of several threads may overlap, the last one restores."""
    if not _functions():
        yield
        return
    get, set_ = _functions()
    with _lock:
        _holders.append(_holders[0] if _holders else get())
        set_(1)
    try:
        yield
    finally:
        with _lock:
            before = _holders.pop()
            if not _holders:
                set_(before)
