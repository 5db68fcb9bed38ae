"""Where arrays live: NumPy on the CPU, CuPy on a CUDA GPU. The only file that imports cupy."""

import sys

import numpy as np


def xp_of(x):
    """Return the module (``numpy`` or ``cupy``) whose functions take the array ``x``."""
    if isinstance(x, (np.ndarray, np.generic)):
        return np
    cupy = sys.modules.get("cupy")  # whoever made a CuPy array has imported it
    return np if cupy is None else cupy.get_array_module(x)


def device_of(x):
    """"cpu" or "cuda": where the array ``x`` lives."""
    return "cpu" if xp_of(x) is np else "cuda"


def to_numpy(x):
    """Return ``x`` as a NumPy array; from a GPU this copies and waits."""
    return x if xp_of(x) is np else x.get()


def to_device(x, device):
    """Return ``x`` on ``device``: "cpu" or "cuda"; the same object where it is there already."""
    if device == device_of(x):
        return x
    if device == "cpu":
        return to_numpy(x)
    import cupy

    return cupy.asarray(x)
