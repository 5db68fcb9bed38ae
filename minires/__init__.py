"""minires: residual networks from scratch on NumPy and CuPy, with manual backprop.

Layers are hand-written pairs of ``forward`` and ``backward`` (:mod:`minires.layers`), losses likewise
(:mod:`minires.losses`), and everything they claim can be checked (:func:`gradcheck`, :func:`check_layer`).
``import minires`` needs NumPy alone, and brings :mod:`minires.data`, ``train``, ``trace`` and ``weights``.
"""

__version__ = "0.1.0"

from . import data, layers, losses, models, trace, train, weights
from .backend import device_of, to_device, to_numpy, xp_of
from .contract import check_layer
from .engine import compile
from .errors import (
    CheckpointError,
    ContractError,
    DataFileError,
    DeviceError,
    DTypeError,
    GradientError,
    MiniresError,
    NumericError,
    RangeError,
    ShapeError,
    StateError,
)
from .gradcheck import gradcheck
from .train import compile_step

__all__ = [
    "CheckpointError",
    "ContractError",
    "DTypeError",
    "DataFileError",
    "DeviceError",
    "GradientError",
    "MiniresError",
    "NumericError",
    "RangeError",
    "ShapeError",
    "StateError",
    "check_layer",
    "compile",
    "compile_step",
    "data",
    "device_of",
    "gradcheck",
    "layers",
    "losses",
    "models",
    "to_device",
    "to_numpy",
    "trace",
    "train",
    "weights",
    "xp_of",
]
