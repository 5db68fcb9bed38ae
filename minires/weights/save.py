"""Weights of models into files, with the names of minires or of another library."""

from collections.abc import Mapping

import numpy as np

from ..backend import to_numpy
from ..errors import CheckpointError, NumericError
from ..files import StrPath
from ..files.safetensors import write_safetensors
from ..layers.base import Layer
from .names import layout_called

WEIGHTS = "minires weights 1"


def save_weights(
    path: StrPath, model: Layer, *, layout: str = "minires", texts: Mapping[str, str] | None = None
) -> None:
    """Write the parameters and buffers of ``model`` into the safetensors file ``path``.

    layout: whose names the tensors get, such as "torchvision". PyTorch loads that file:
    ``net.load_state_dict(safetensors.torch.load_file(path))``. texts: further ``{name: text}`` for its metadata.

    Raises RangeError for an unknown layout, NumericError where a number is NaN or infinite, CheckpointError where two
    tensors have one name there, where the format lacks a type, and where the disk fails. An older file then stays.
    """
    chosen, arrays, tensors = layout_called(layout), {}, dict(model.tensors())
    for tensor_path, name in chosen.rename(list(tensors)).items():
        if name in arrays:
            raise CheckpointError(
                f"{path} cannot hold {tensor_path} as {name}, two tensors have this name in {chosen.name}: "
                "choose another layout"
            )
        array = tensors[tensor_path].data
        arrays[name] = array.reshape(chosen.shape(name, array.shape))
    write_finite(path, arrays, {"format": WEIGHTS if layout == "minires" else "pt", "layout": layout, **(texts or {})})


def write_finite(path, arrays, texts):
    """Write arrays of any device, once all numbers are known to be finite. Raises NumericError or CheckpointError."""
    arrays = {name: to_numpy(array) for name, array in arrays.items()}
    for name, array in arrays.items():
        if bad := array.size - int(np.isfinite(array).sum()):
            raise NumericError(
                f"{name}: {bad} of {array.size} values are NaN or infinite, expected none; {path} was left as it was: "
                "lower the learning rate, or lengthen the warm-up"
            )
    write_safetensors(path, arrays, texts)
