"""Where arrays live: NumPy on the CPU, CuPy on a CUDA GPU. The only file that imports cupy."""

import re
import sys
from types import ModuleType
from typing import Any

import numpy as np

from .errors import DeviceError

Array = np.ndarray[Any, np.dtype[Any]]  # or one of CuPy, which has the same methods
DType = np.dtype[Any] | type[Any] | str

__all__ = ["Array", "DType", "device_of", "join_gpus", "require_device", "to_device", "to_numpy", "xp_of"]

DEVICES = re.compile("cpu|cuda(:(?P<number>[0-9]{1,3}))?")  # in full
INSTALL = 'pip install "minires[cuda13x]", or "minires[cuda12x]" where nvidia-smi shows CUDA 12'

# A piece of CuPy's message, what it means, and what to do.
FAILURES = (
    ("libnvrtc", "NVRTC, the compiler of CUDA, is missing", INSTALL),
    ("libcublas", "cuBLAS, the matrix library of CUDA, is missing", INSTALL),
    ("CUDA headers", "the headers of CUDA are missing", INSTALL),
    ("out of memory", "the memory of the GPU is full", "end the other programs on it (nvidia-smi lists them)"),
)

_TAKEN: list[tuple[ModuleType, int]] = []  # (CuPy, number of the GPU of this process), once it has computed


def xp_of(x: Any) -> ModuleType:
    """Return the module (``numpy`` or ``cupy``) whose functions take the array ``x``."""
    if isinstance(x, (np.ndarray, np.generic)):
        return np
    cupy = sys.modules.get("cupy")  # whoever made a CuPy array has imported it
    return np if cupy is None else cupy.get_array_module(x)


def device_of(x: Any) -> str:
    """Where the array ``x`` lives: "cpu", "cuda" on the first GPU, "cuda:1" on the second."""
    if xp_of(x) is np:
        return "cpu"
    return f"cuda:{x.device.id}" if x.device.id else "cuda"


def to_numpy(x: Any) -> Array:
    """Return ``x`` as a NumPy array; from a GPU this copies and waits."""
    return x if xp_of(x) is np else x.get()


def to_device(x: Any, device: str) -> Array:
    """Return ``x`` on ``device``: "cpu", "cuda" or a GPU by its number, "cuda:1"; the same object where it is there.

    An upload does not wait for the GPU; the first one of a process computes there, and raises the
    :class:`~minires.errors.DeviceError` that the commands print. A process has one GPU, which "cuda" names.
    """
    _check_name(device)
    if device == "cpu":
        return to_numpy(x)
    cupy = _cupy(device)
    _take(cupy, device)
    try:
        return cupy.asarray(x)
    except Exception as error:
        if (why := _known(error)) is None:
            raise
        raise _unusable(device, *why) from error


def require_device(device: str) -> None:
    """Raise :class:`~minires.errors.DeviceError` with the remedy unless ``device`` ("cpu", "cuda", "cuda:1") computes.

    Call it once, when a program starts: for a GPU it runs a first addition and a first matrix product, so that a
    missing part of CUDA shows here and not in the middle of a training. From then on the process has this GPU.
    """
    _check_name(device)
    if device != "cpu":
        _take(_cupy(device), device, again=True)


def join_gpus(size: int, rank: int, number: int) -> Any:
    """Take the GPU ``number`` of this host, and join it by NCCL with those of the other ranks of an MPI job.

    Returns what CuPy makes for that (``cupyx.distributed``): its all_reduce, all_to_all and all_gather wait for nobody.
    """
    cupy = _cupy("cuda")
    if number >= (count := cupy.cuda.runtime.getDeviceCount()):
        raise DeviceError(
            f"rank {rank} is number {number + 1} of its host, which has {count} GPUs, expected one for each rank: "
            "start as many ranks as GPUs on each host"
        )
    cupy.cuda.Device(number).use()
    _TAKEN[:] = [(cupy, number)]
    from cupyx.distributed import init_process_group

    return init_process_group(size, rank, backend="nccl", use_mpi=True)


def _check_name(device):
    if not isinstance(device, str) or not DEVICES.fullmatch(device):
        expected = 'expected "cpu", "cuda" or a GPU by its number, such as "cuda:1"'
        raise DeviceError(f"device is {device!r}, {expected}: choose one of them")


def _take(cupy, device, again=False):
    """Give the GPU ``device`` to this process and the thread that asks, after a first computation on it."""
    number = DEVICES.fullmatch(device)["number"]
    number = None if number is None else int(number)
    had = next((taken for module, taken in _TAKEN if module is cupy), None)
    if again or had is None or number not in (None, had):
        if not cupy.is_available():
            raise _unusable(device, *_why_unavailable(cupy.cuda.runtime))
        if number is not None:
            _require_there(cupy.cuda.runtime, device, number)
        if had is not None and number not in (None, had):
            raise _unusable(device, f'this process computes on "cuda:{had}"', "start another process for it")
    chosen = had if number is None else number
    if chosen is not None:
        cupy.cuda.Device(chosen).use()  # each thread of CUDA has a device of its own
    if again or had is None:
        try:
            one = cupy.zeros((1, 1), dtype="float32") + 1
            (one @ one).get()
        except Exception as error:  # CuPy's own kinds of error, ImportError, MemoryError: none may pass unexplained
            raise _unusable(device, *_why_failed(error)) from error
        _TAKEN[:] = [(cupy, cupy.cuda.runtime.getDevice() if chosen is None else chosen)]


def _require_there(runtime, device, number):
    count = runtime.getDeviceCount()
    if number >= count:
        names = [f'"cuda:{k}" ({runtime.getDeviceProperties(k)["name"].decode()})' for k in range(count)]
        has = f"this machine has {count} GPU{'s' * (count > 1)}, {', '.join(names)}"
        remedy = "choose one of them" if count > 1 else "choose it"
        raise _unusable(device, has, f"{remedy}, or look at the variable CUDA_VISIBLE_DEVICES")


def _cupy(device):
    try:
        import cupy
    except ModuleNotFoundError as error:
        if error.name != "cupy":
            raise _unusable(device, f"CuPy needs the module {error.name}, which is missing", INSTALL) from error
        raise _unusable(device, "CuPy is not installed", INSTALL) from error
    except ImportError as error:
        reason = _first_line(error.__cause__ or error)  # CuPy wraps the reason in a page of advice
        raise _unusable(device, f"CuPy cannot be imported ({reason})", f"reinstall it: {INSTALL}") from error
    return cupy


def _why_unavailable(runtime):
    """Say why CuPy finds no GPU, and the remedy. The driver's version is that of its CUDA: 12040 is CUDA 12.4."""
    driver, needed = runtime.driverGetVersion(), runtime.runtimeGetVersion()
    if driver == 0:
        return "no NVIDIA driver is found", 'install one (start a container with --gpus all), or use device "cpu"'
    if driver // 1000 < needed // 1000:
        return f"the driver supports CUDA {driver // 1000}, CuPy was built for CUDA {needed // 1000}", INSTALL
    return "no GPU is visible", 'check nvidia-smi and the variable CUDA_VISIBLE_DEVICES, or use device "cpu"'


def _known(error):
    """What a failure of CuPy means, and the remedy; None where nobody knows."""
    found = [(meaning, remedy) for sign, meaning, remedy in FAILURES if sign.lower() in str(error).lower()]
    return found[0] if found else None


def _why_failed(error):
    failed = f"a first computation failed ({_first_line(error)})", 'check nvidia-smi, or use device "cpu"'
    return _known(error) or failed


def _first_line(error):
    return str(error).strip().split("\n")[0] or type(error).__name__


def _unusable(device, meaning, remedy):
    return DeviceError(f'device "{device}" cannot be used: {meaning}: {remedy}')
