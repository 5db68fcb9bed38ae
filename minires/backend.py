"""Where arrays live: NumPy on the CPU, CuPy on a CUDA GPU. The only file that imports cupy."""

import sys
from types import ModuleType
from typing import Any

import numpy as np

from .errors import DeviceError

Array = np.ndarray[Any, np.dtype[Any]]  # or one of CuPy, which has the same methods
DType = np.dtype[Any] | type[Any] | str

__all__ = ["Array", "DType", "device_of", "join_gpus", "require_device", "to_device", "to_numpy", "xp_of"]

INSTALL = 'pip install "minires[cuda13x]", or "minires[cuda12x]" where nvidia-smi shows CUDA 12'

# A piece of CuPy's message, what it means, and what to do.
FAILURES = (
    ("libnvrtc", "NVRTC, the compiler of CUDA, is missing", INSTALL),
    ("libcublas", "cuBLAS, the matrix library of CUDA, is missing", INSTALL),
    ("CUDA headers", "the headers of CUDA are missing", INSTALL),
    ("out of memory", "the memory of the GPU is full", "end the other programs on it (nvidia-smi lists them)"),
)


def xp_of(x: Any) -> ModuleType:
    """Return the module (``numpy`` or ``cupy``) whose functions take the array ``x``."""
    if isinstance(x, (np.ndarray, np.generic)):
        return np
    cupy = sys.modules.get("cupy")  # whoever made a CuPy array has imported it
    return np if cupy is None else cupy.get_array_module(x)


def device_of(x: Any) -> str:
    """ "cpu" or "cuda": where the array ``x`` lives."""
    return "cpu" if xp_of(x) is np else "cuda"


def to_numpy(x: Any) -> Array:
    """Return ``x`` as a NumPy array; from a GPU this copies and waits."""
    return x if xp_of(x) is np else x.get()


def to_device(x: Any, device: str) -> Array:
    """Return ``x`` on ``device``: "cpu" or "cuda"; the same object where it is there already.

    An upload does not wait for the GPU. Raises :class:`~minires.errors.DeviceError` for another name,
    or where CuPy is not installed.
    """
    _check_name(device)
    return to_numpy(x) if device == "cpu" else _cupy().asarray(x)


def require_device(device: str) -> None:
    """Raise :class:`~minires.errors.DeviceError` with the remedy unless ``device`` ("cpu", "cuda") can compute.

    Call it once, when a program starts: for "cuda" it runs a first addition and a first matrix product, so
    that a missing part of CUDA shows here and not in the middle of a training.
    """
    _check_name(device)
    if device == "cpu":
        return
    cupy = _cupy()
    if not cupy.is_available():
        raise _unusable(*_why_unavailable(cupy.cuda.runtime))
    try:
        one = cupy.zeros((1, 1), dtype="float32") + 1
        (one @ one).get()
    except Exception as error:  # CuPy's own kinds of error, ImportError, MemoryError: none may pass unexplained
        raise _unusable(*_why_failed(error)) from error


def join_gpus(size: int, rank: int, number: int) -> Any:
    """Take the GPU ``number`` of this host, and join it by NCCL with those of the other ranks of an MPI job.

    Returns what CuPy makes for that (``cupyx.distributed``): its all_reduce, all_to_all and all_gather wait for nobody.
    """
    cupy = _cupy()
    if number >= (count := cupy.cuda.runtime.getDeviceCount()):
        raise DeviceError(
            f"rank {rank} is number {number + 1} of its host, which has {count} GPUs, expected one for each rank: "
            "start as many ranks as GPUs on each host"
        )
    cupy.cuda.Device(number).use()
    from cupyx.distributed import init_process_group

    return init_process_group(size, rank, backend="nccl", use_mpi=True)


def _check_name(device):
    if device not in ("cpu", "cuda"):
        raise DeviceError(f'device is {device!r}, expected "cpu" or "cuda": choose one of them')


def _cupy():
    try:
        import cupy
    except ModuleNotFoundError as error:
        if error.name != "cupy":
            raise _unusable(f"CuPy needs the module {error.name}, which is missing", INSTALL) from error
        raise _unusable("CuPy is not installed", INSTALL) from error
    except ImportError as error:
        reason = _first_line(error.__cause__ or error)  # CuPy wraps the reason in a page of advice
        raise _unusable(f"CuPy cannot be imported ({reason})", f"reinstall it: {INSTALL}") from error
    return cupy


def _why_unavailable(runtime):
    """Say why CuPy finds no GPU, and the remedy. The driver's version is that of its CUDA: 12040 is CUDA 12.4."""
    driver, needed = runtime.driverGetVersion(), runtime.runtimeGetVersion()
    if driver == 0:
        return "no NVIDIA driver is found", 'install one (start a container with --gpus all), or use device "cpu"'
    if driver // 1000 < needed // 1000:
        return f"the driver supports CUDA {driver // 1000}, CuPy was built for CUDA {needed // 1000}", INSTALL
    return "no GPU is visible", 'check nvidia-smi and the variable CUDA_VISIBLE_DEVICES, or use device "cpu"'


def _why_failed(error):
    for sign, meaning, remedy in FAILURES:
        if sign.lower() in str(error).lower():
            return meaning, remedy
    return f"a first computation failed ({_first_line(error)})", 'check nvidia-smi, or use device "cpu"'


def _first_line(error):
    return str(error).strip().split("\n")[0] or type(error).__name__


def _unusable(meaning, remedy):
    return DeviceError(f'device "cuda" cannot be used: {meaning}: {remedy}')
