"""Where arrays live, and what is said when CUDA cannot be used."""

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import np_of

from minires.backend import device_of, require_device, to_device, to_numpy, xp_of
from minires.errors import DeviceError


def test_arrays_know_their_module_and_device(xp, device):
    x = xp.zeros((2, 3), dtype=np.float32)
    assert xp_of(x) is xp
    assert xp_of(x[0, 0]) is xp
    assert device_of(x) == device
    assert xp_of(np.zeros(2)) is np  # also where CuPy is imported
    assert device_of(np.float32(1)) == "cpu"


def test_arrays_move_and_stay(xp, device):
    host = np.arange(6, dtype=np.float32).reshape(2, 3)
    x = to_device(host, device)
    assert xp_of(x) is xp and x.dtype == np.float32
    assert to_device(x, device) is x
    for back in (to_numpy(x), to_device(x, "cpu")):
        assert type(back) is np.ndarray
        np.testing.assert_array_equal(back, host)
    np.testing.assert_array_equal(np_of(x), host)


def test_an_upload_does_not_wait(strict):
    with strict.budget(syncs=0, uploads=1, hidden=0, downloads=0):
        x = to_device(np.zeros(3), "cuda")
    with strict.budget(uploads=0, downloads=0):
        to_device(x, "cuda")
    with strict.watch() as seen:
        to_numpy(x)
    assert len(seen.syncs) == 1


def test_the_devices_of_the_tests_can_compute(device):
    assert require_device(device) is None


@pytest.mark.parametrize("name", ["gpu", "CUDA", "cuda:", "cuda:x", "cuda:-1", "cuda:1\n", "cpu:0", None, "", 1])
def test_unknown_devices_are_refused(name):
    for call in (lambda: require_device(name), lambda: to_device(np.zeros(2), name)):
        with pytest.raises(DeviceError) as caught:
            call()
        expected = 'expected "cpu", "cuda" or a GPU by its number, such as "cuda:1": choose one of them'
        assert str(caught.value) == f"device is {name!r}, {expected}"


def test_the_package_does_not_import_cupy():
    code = "import minires, minires.backend, sys; assert 'cupy' not in sys.modules and 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


# Broken installations, with the exceptions and texts of CuPy 14.2


class CUDARuntimeError(RuntimeError):
    pass


class DynamicLibNotFoundError(RuntimeError):
    pass


class OutOfMemoryError(MemoryError):
    pass


class CompileException(Exception):
    pass


class Zeros:
    """What ``cupy.zeros`` gives where kernels raise ``add`` and matrix products ``matmul``."""

    def __init__(self, add=None, matmul=None):
        self.add, self.matmul = add, matmul

    def __add__(self, other):
        if self.add:
            raise self.add
        return self

    def __matmul__(self, other):
        raise self.matmul


def cupy_without(available=True, driver=13000, runtime=13000, zeros=None, add=None, matmul=None):
    def make_zeros(shape, dtype):
        if zeros:
            raise zeros
        return Zeros(add, matmul)

    versions = SimpleNamespace(
        driverGetVersion=lambda: driver,
        runtimeGetVersion=lambda: runtime,
        getDeviceCount=lambda: 1,
        getDeviceProperties=lambda number: {"name": b"NVIDIA H100"},
    )
    return SimpleNamespace(
        is_available=lambda: available,
        cuda=SimpleNamespace(runtime=versions, Device=lambda number: SimpleNamespace(use=lambda: None)),
        zeros=make_zeros,
        get_array_module=lambda x: np,
    )


INSTALL = 'pip install "minires[cuda13x]", or "minires[cuda12x]" where nvidia-smi shows CUDA 12'
INSUFFICIENT = "cudaErrorInsufficientDriver: CUDA driver version is insufficient for CUDA runtime version"
BROKEN = {
    "not installed": (None, "CuPy is not installed", "pip install"),
    "no driver": (cupy_without(available=False, driver=0), "no NVIDIA driver is found", "install one"),
    "old driver": (
        cupy_without(available=False, driver=12040),
        "the driver supports CUDA 12, CuPy was built for CUDA 13",
        'pip install "minires[cuda13x]", or "minires[cuda12x]"',
    ),
    "no GPU": (cupy_without(available=False), "no GPU is visible", "CUDA_VISIBLE_DEVICES"),
    "no NVRTC": (
        cupy_without(add=DynamicLibNotFoundError('Failure finding "libnvrtc.so.13 or libnvrtc.so.12"')),
        "NVRTC, the compiler of CUDA, is missing",
        "pip install",
    ),
    "no headers": (
        cupy_without(add=RuntimeError("Failed to find CUDA headers. Please install ... cupy-cuda12x[ctk]")),
        "the headers of CUDA are missing",
        "pip install",
    ),
    "no cuBLAS": (
        cupy_without(matmul=ImportError('Failure finding "libcublasLt.so.13 or libcublasLt.so.12"')),
        "cuBLAS, the matrix library of CUDA, is missing",
        "pip install",
    ),
    "memory full": (
        cupy_without(zeros=OutOfMemoryError("Out of memory allocating 512 bytes (allocated so far: 0 bytes).")),
        "the memory of the GPU is full",
        "end the other programs",
    ),
    "memory full before the pool": (
        cupy_without(zeros=CUDARuntimeError("cudaErrorMemoryAllocation: out of memory")),
        "the memory of the GPU is full",
        "end the other programs",
    ),
    "a driver error": (
        cupy_without(zeros=CUDARuntimeError(INSUFFICIENT)),
        f"a first computation failed ({INSUFFICIENT})",
        "nvidia-smi",
    ),
    "a kernel that does not compile": (
        cupy_without(add=CompileException("nvrtc: error: invalid value for --gpu-architecture (-arch)\n1 error.\n")),
        "a first computation failed (nvrtc: error: invalid value for --gpu-architecture (-arch))",
        "nvidia-smi",
    ),
}


@pytest.mark.parametrize("cupy, meaning, remedy", BROKEN.values(), ids=BROKEN)
def test_unusable_cuda_is_explained(monkeypatch, cupy, meaning, remedy):
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    with pytest.raises(DeviceError) as caught:
        require_device("cuda")
    message = str(caught.value)
    assert message.startswith(f'device "cuda" cannot be used: {meaning}: ')
    assert remedy in message
    assert "\n" not in message


@pytest.mark.parametrize(
    "line, meaning",
    [
        ("raise ImportError('numpy is too old')", "CuPy cannot be imported (numpy is too old)"),
        (
            "raise ImportError('\\n====\\nFailed to import CuPy.\\n') from ImportError('libcudart.so.13: not found')",
            "CuPy cannot be imported (libcudart.so.13: not found)",
        ),
        ("import no_such_part", "CuPy needs the module no_such_part, which is missing"),
    ],
)
def test_a_cupy_that_does_not_import_is_explained(monkeypatch, tmp_path, line, meaning):
    (tmp_path / "cupy.py").write_text(line)
    monkeypatch.delitem(sys.modules, "cupy", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    for call in (lambda: require_device("cuda"), lambda: to_device(np.zeros(2), "cuda")):
        with pytest.raises(DeviceError) as caught:
            call()
        assert f": {meaning}: " in str(caught.value)
        assert isinstance(caught.value.__cause__, ImportError)


def test_an_upload_without_cupy_is_explained(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(DeviceError, match="CuPy is not installed"):
        to_device(np.zeros(2), "cuda")
