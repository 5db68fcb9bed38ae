"""Weights of files into models, and back into files with the names of other libraries."""

import re

import numpy as np

from ..backend import device_of, to_device, to_numpy
from ..errors import CheckpointError, RangeError
from ..files.safetensors import NAMES, write_safetensors
from ..models import build
from .match import best_fit
from .names import LAYOUTS
from .open import open_weights


def load_weights(path, model, *, layout=None):
    """Put the weights of a file into ``model``; all or nothing.

    The file is one of PyTorch (zip or legacy format; a state_dict, or a dict that holds one), safetensors, a file of
    :func:`minires.train.save_weights` or a checkpoint of a training. Its names may be those of minires or of any known
    library; ``layout``, such as "torchvision", allows those of one alone. Floats take the type of the model.

    Raises CheckpointError for a file that is broken or wants to run code, for numbers that are NaN or infinite, and,
    with a list of all that is missing, unexpected or of another shape, where file and model differ.
    """
    _put(best_fit(open_weights(path), model, LAYOUTS if layout is None else [_called(layout)]))


def build_with_weights(name, path, *, num_classes=None, in_channels=3, layout=None, **options):
    """Return ``(model, layout)``: the network called ``name`` with the weights of a file, and whose names it has.

    The options that the network of the file's library needs, such as shortcut="A-both", are set unless ``options`` has
    them. The :class:`Layout` says how images are to be normalised, where that is known. The rest as in
    :func:`~minires.models.build` and :func:`load_weights`.
    """
    file, models, fits = open_weights(path), {}, []
    for candidate in layouts_of(name) if layout is None else [_called(layout)]:
        settings = candidate.options | options
        key = repr(sorted(settings.items()))
        if key not in models:
            models[key] = build(name, num_classes=num_classes, in_channels=in_channels, rng=0, **settings)
        fits.append((best_fit(file, models[key], [candidate]), models[key]))
    fit, model = min(fits, key=lambda pair: pair[0].distance())
    _put(fit)
    return model, fit.layout


def export_weights(path, model, *, layout):
    """Write the weights of ``model`` as a safetensors file with the names of a library, such as "torchvision".

    PyTorch loads it: ``net.load_state_dict(safetensors.torch.load_file(path))``. An older file is replaced at once.
    Raises RangeError for an unknown layout, CheckpointError where the disk fails or the type is not in the format.
    """
    chosen, arrays = _called(layout), {}
    for tensor_path, buffer in model.tensors():
        name, array = chosen.rename(tensor_path), to_numpy(buffer.data)
        if name in arrays or array.dtype.name not in NAMES.values():
            raise CheckpointError(
                f"{path} cannot hold {tensor_path} ({array.dtype}) as {name}: the type is none of "
                f"{', '.join(NAMES.values())}, or two tensors have this name; choose another layout or dtype"
            )
        arrays[name] = array.reshape(chosen.shape(name, array.shape))
    write_safetensors(path, arrays, {"format": "pt", "layout": chosen.name})


def layouts_of(name):
    """The layouts that are known for the network called ``name``; that of minires comes first."""
    return [layout for layout in LAYOUTS if re.fullmatch(layout.models, name, re.ASCII)]


def _called(name):
    found = next((layout for layout in LAYOUTS if layout.name == name), None)
    if found is None:
        raise RangeError(f"layout is {name!r}, expected one of {', '.join(layout.name for layout in LAYOUTS)}")
    return found


def _put(fit):
    """Fill the model of a :class:`Fit`, once every number is known to be there and to be finite."""
    if report := fit.report():
        raise CheckpointError(report)
    values = []
    for name, (_, buffer, _) in fit.wanted.items():
        array = fit.file.tensors[name].array(f"{fit.file.path}: {name}").reshape(buffer.data.shape)
        with np.errstate(over="ignore"):
            array = array.astype(buffer.data.dtype)
        if bad := array.size - int(np.isfinite(array).sum()):
            raise CheckpointError(
                f"{fit.file.path}: {name}: {bad} of {array.size} values are NaN or infinite as {array.dtype}, "
                "expected none: the file is damaged, or its training diverged"
            )
        values.append((buffer, array))
    for buffer, array in values:
        buffer.data[...] = to_device(array, device_of(buffer.data))  # in place: optimisers may hold the array
