"""``cupy.RawModule`` of the stand-in: CUDA sources run by the emulation, on arguments that CuPy would take."""

import threading

import numpy as np

from .counters import launch
from .device_array import ndarray

STREAM = threading.Lock()  # launches of all threads run one after the other


class RawModule:
    """The kernels of one source. Only files of minires are known: the emulation compiles them, each once."""

    def __init__(self, *, code, options=(), name_expressions=None):
        from minires.engine.cuda import modules

        headers = (modules.FOLDER / "ptx.cuh").read_text()
        self.file = next((file for file in modules.FILES if headers + modules.source(file) == code), None)
        if self.file is None:
            raise NotImplementedError("the stand-in runs the CUDA sources of minires alone")
        self.names = tuple(name_expressions)

    def get_function(self, name):
        if name not in self.names:
            raise KeyError(f"{name} is not one of name_expressions")
        return RawKernel(self.file, name)


class RawKernel:
    """One kernel: a launch looks at its arguments and is counted."""

    def __init__(self, file, name):
        from cuda_emulation import Kernel

        self.name, self.kernel = name, Kernel(file, name)

    def __call__(self, grid, block, arguments):
        arguments = tuple(map(self._argument, arguments))

        def run():
            with STREAM:
                self.kernel(grid, block, arguments)

        launch(self.name, run)

    def _argument(self, value):
        if isinstance(value, ndarray):
            if not value.flags.c_contiguous:
                raise ValueError(f"{self.name} ignores strides: an argument of shape {value.shape} is not contiguous")
            return value._host
        if isinstance(value, np.generic) or isinstance(value, np.ndarray) and value.dtype.names:
            return value
        raise TypeError(f"{self.name} takes device arrays and NumPy scalars, not {type(value).__name__}")
