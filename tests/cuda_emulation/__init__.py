"""The CUDA sources on the host: g++ compiles the very files, ctypes runs them, in several orders of the threads."""

import ctypes
import functools
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pytest

from minires.engine.cuda import modules

HERE = Path(__file__).parent
ORDERS = {"ascending": 0, "descending": 1, "rotated": 2, "first warp ahead": 3, "last warp ahead": 4}
FLAGS = ["-std=c++20", "-O2", "-fPIC", "-shared", "-w", "-fno-strict-aliasing", "-ffp-contract=off", f"-I{HERE}"]
GUARD = 1 << 16  # bytes of 0xff, which is NaN, before and behind each array: as far as a wrong tile reaches


class KernelError(AssertionError):
    """What the emulation found wrong in a launch."""


def every_kernel(file):
    """The kernels of a file in all precisions, each once."""
    return list(dict.fromkeys(name for precision in modules.PRECISIONS for name in modules.kernels(file, precision)))


@functools.cache
def library(text, names):
    """The shared library of a source text, built once for the same text and headers."""
    if shutil.which("g++") is None:
        pytest.skip("no g++ to compile the CUDA sources for the host")
    exports = "\n".join(f"EXPORT({k}, {name})" for k, name in enumerate(names))
    code = f'#include "emulation.h"\n{text}\n{exports}\n'
    headers = "".join(path.read_text() for path in sorted(HERE.glob("*.h")))
    digest = hashlib.sha256((code + headers + "".join(FLAGS)).encode()).hexdigest()[:24]
    folder = Path(tempfile.gettempdir()) / f"minires-cuda-emulation-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    built = folder / f"{digest}.so"
    if not built.exists():
        part = folder / f"{digest}.{os.getpid()}"
        part.with_suffix(".cpp").write_text(code)
        command = ["g++", *FLAGS, str(part.with_suffix(".cpp")), "-o", str(part)]
        done = subprocess.run(command, capture_output=True, text=True)
        part.with_suffix(".cpp").unlink()
        assert done.returncode == 0, done.stderr[:4000]
        part.replace(built)
    return ctypes.CDLL(str(built))


class Kernel:
    """A kernel on the host: ``Kernel("join.cu", "join<float>")(grid, block, arguments)``, as CuPy calls one."""

    def __init__(self, file, name, text=None):
        names = every_kernel(file) if text is None else [name]
        self.name, built = name, library(text or modules.source(file), tuple(names))
        k = names.index(name)
        self._launch, signature = getattr(built, f"launch_{k}"), ctypes.create_string_buffer(1000)
        self._launch.restype = ctypes.c_char_p
        getattr(built, f"signature_{k}")(signature)
        self.parameters = signature.value.decode().split()

    def __call__(self, grid, block, arguments, order="ascending"):
        assert len(arguments) == len(self.parameters), f"{self.name} takes {len(self.parameters)} arguments"
        held = [self._argument(*pair) for pair in zip(self.parameters, arguments)]
        pointers = (ctypes.c_void_p * len(held))(*[value.ctypes.data for value in held])
        sizes = [(ctypes.c_uint * 3)(*(*size, 1, 1)[:3]) for size in (grid, block)]
        wrong = self._launch(pointers, *sizes, ORDERS[order])
        if wrong:
            raise KernelError(f"{self.name}, {order}: {wrong.decode()}")

    def _argument(self, parameter, value):
        """The bytes of one argument, after a look at its type."""
        kind, expected = parameter[0], parameter[1:]
        if kind == "v":
            value = np.asarray(value)
            name = "struct" if value.dtype.names else value.dtype.name
            assert f"{name}{value.nbytes}" == expected, f"{self.name} takes {expected}, not {name}{value.nbytes}"
            return value
        if not isinstance(value, np.ndarray):
            assert value == modules.NULL and value.dtype == np.uint64, f"{self.name} takes an array, not {value!r}"
            return np.asarray(value)
        assert value.dtype.name == expected, f"{self.name} takes {expected}, not {value.dtype}"
        assert value.flags.c_contiguous, f"{self.name} takes contiguous arrays"
        return np.asarray(np.uint64(value.ctypes.data))


class Host:
    """Runs launches in one order of the threads, with one mistake planted: (file, what stands there, what instead)."""

    def __init__(self, order="ascending", planted=None):
        self.order, self.planted = order, planted

    def __call__(self, *launches):
        for launch in launches:
            text = None
            if self.planted and self.planted[0] == launch.file:
                _, before, after = self.planted
                text = modules.source(launch.file)
                assert text.count(before) == 1, f"{text.count(before)} times in {launch.file}: {before}"
                text = text.replace(before, after)
            Kernel(launch.file, launch.name, text)(launch.grid, (launch.threads,), launch.arguments, self.order)


class Arena:
    """Arrays with guards around them, aligned as CuPy's, filled with NaN until they are written."""

    def __init__(self):
        self.arrays = []

    def array(self, value, dtype=None):
        """A copy of ``value``; of a shape an array of NaN (or the largest integer)."""
        shape, dtype = (value, dtype) if isinstance(value, tuple) else (np.shape(value), dtype or value.dtype)
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        raw = np.full(size + 2 * GUARD + 64, 255, np.uint8)
        begin = GUARD + -(raw.ctypes.data + GUARD) % 64
        array = raw[begin : begin + size].view(dtype).reshape(shape)
        if not isinstance(value, tuple):
            array[...] = value
        self.arrays.append((raw, begin, size))
        return array

    def check(self):
        for raw, begin, size in self.arrays:
            wrong = (raw[:begin] != 255).any() or (raw[begin + size :] != 255).any()
            if wrong:
                raise KernelError(f"a write beside an array of {size} bytes")
