"""Weights of files into models."""

import numpy as np

from ..backend import device_of, to_device
from ..errors import CheckpointError
from ..models import build
from .match import best_fit
from .names import LAYOUTS, layout_called, layouts_of
from .open import open_weights


def load_weights(path, model, *, layout=None):
    """Put the weights of a file into ``model``; all or nothing.

    The file is one of PyTorch (zip or legacy format; a state_dict, or a dict that holds one), safetensors, a file of
    :func:`save_weights` or a checkpoint of a training. Its names may be those of minires or of any known
    library; ``layout``, such as "torchvision", allows those of one alone. Floats take the type of the model.

    Raises CheckpointError for a file that is broken or wants to run code, for numbers that are NaN or infinite, and,
    with a list of all that is missing, unexpected or of another shape, where file and model differ.
    """
    _put(best_fit(open_weights(path), model, LAYOUTS if layout is None else [layout_called(layout)]))


def build_with_weights(name, path, *, num_classes=None, in_channels=3, layout=None, **options):
    """Return ``(model, layout)``: the network called ``name`` with the weights of a file, and whose names it has.

    The options that the network of the file's library needs, such as shortcut="A-both", are set unless ``options`` has
    them. The :class:`Layout` says how images are to be normalised, where that is known. The rest as in
    :func:`~minires.models.build` and :func:`load_weights`.
    """
    file, models, fits = open_weights(path), {}, []
    for candidate in layouts_of(name) if layout is None else [layout_called(layout)]:
        settings = candidate.options | options
        key = repr(sorted(settings.items()))
        if key not in models:
            models[key] = build(name, num_classes=num_classes, in_channels=in_channels, rng=0, **settings)
        fits.append((best_fit(file, models[key], [candidate]), models[key]))
    fit, model = min(fits, key=lambda pair: pair[0].distance())
    _put(fit)
    return model, fit.layout


def put(arrays):
    """Fill each Buffer of ``[(Buffer, NumPy array)]`` in place, once every array is on the device of its buffer."""
    buffers = [buffer.data for buffer, _ in arrays]
    placed = [to_device(array, device_of(held)) for held, (_, array) in zip(buffers, arrays)]
    for held, array in zip(buffers, placed):
        held[...] = array  # in place: optimisers and compiled models may hold the array


def _put(fit):
    """Fill the model of a :class:`Fit`, once every number is known to be there and to be finite."""
    fit.require()
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
    put(values)
