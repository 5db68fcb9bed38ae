"""The threads of the BLAS library behind NumPy, which must be one while the engine's own threads call it.

Two pools of threads on the same cores wait for each other: with BLAS at its default a training step takes about three
times as long. NumPy has no function for this, so the library that NumPy has loaded is asked by its C functions
(OpenBLAS, whose names differ from wheel to wheel). Another BLAS is left as it is; set its variable (such as
MKL_NUM_THREADS=1) before the import of NumPy then.
"""

import ctypes
import functools
import os
import threading
from contextlib import contextmanager
from pathlib import Path

import numpy as np

_NAMES = ("scipy_openblas_{}64_", "openblas_{}64_", "scipy_openblas_{}", "openblas_{}")
# Bits of a vector register that the kernels of OpenBLAS use, by the names of its cores; those of other x86 cores 128
WIDTHS = {
    **dict.fromkeys(("SkylakeX", "Cooperlake", "Sapphirerapids"), 512),
    **dict.fromkeys(("Haswell", "Zen", "Sandybridge", "Bulldozer", "Piledriver", "Steamroller", "Excavator"), 256),
}
_lock = threading.Lock()
_holders = []  # one entry for each block inside ``one_thread``: the number of threads before the first


@functools.cache
def _library():
    """(the loaded OpenBLAS, how it writes the names of its functions), or None."""
    folder = Path(np.__file__).parent
    wheels = [*folder.with_name("numpy.libs").glob("*openblas*"), *folder.glob(".dylibs/*openblas*")]
    for place in [*map(str, wheels), None]:  # None: what is linked into the process
        try:
            library = ctypes.CDLL(place)
        except OSError:
            continue
        for name in _NAMES:
            if hasattr(library, name.format("set_num_threads")):
                return library, name
    return None


@functools.cache
def _functions():
    """(get, set) of the number of threads of the loaded OpenBLAS, or None."""
    if _library() is None:
        return None
    library, name = _library()
    return tuple(getattr(library, name.format(f"{verb}_num_threads")) for verb in ("get", "set"))


def _says(what):
    """What OpenBLAS answers to get_``what``, a text."""
    library, name = _library()
    function = getattr(library, name.format(f"get_{what}"))
    function.restype = ctypes.c_char_p
    return function().decode().strip()


def configuration():
    """What NumPy's BLAS says of itself, with its kernels: "OpenBLAS 0.3.31 ... SkylakeX"."""
    if _library():
        return _says("config")
    found = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return f"{found.get('name')} {found.get('version')}"


def kernels():
    """For which core OpenBLAS computes, and whether the processor could do more; None where it cannot be asked.

    "OpenBLAS's SkylakeX kernels", or "OpenBLAS's Haswell kernels, 256 bits; the processor has 512: ..."
    """
    if _library() is None:
        return None
    core = _says("corename")
    text, used, able = f"OpenBLAS's {core} kernels", WIDTHS.get(core, 128), _processor_bits()
    if used >= able:
        return text
    remedy = "unset OPENBLAS_CORETYPE" if os.environ.get("OPENBLAS_CORETYPE") else "a newer NumPy may have them"
    return f"{text}, {used} bits; the processor has {able}: {remedy}"


def _processor_bits():
    """Bits of a vector register of this processor, by what NumPy found; 128 where it is not an x86."""
    simd = np.show_config(mode="dicts")["SIMD Extensions"]
    found = {*simd["baseline"], *simd["found"]}
    if found & {"AVX512_SKX", "X86_V4"}:
        return 512
    return 256 if found & {"AVX2", "X86_V3"} else 128


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
