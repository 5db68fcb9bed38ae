"""Weights of files into models."""

from typing import Any

import numpy as np

from ..backend import device_of, to_device
from ..errors import CheckpointError
from ..files import StrPath
from ..layers.base import Layer
from ..models import build
from .names import LAYOUTS, layout_called, layouts_of
from .open import open_weights
from .search import Origin, choose, find_matches, origin_of


def load_weights(path: StrPath, model: Layer, *, layout: str | None = None, entry: str | None = None) -> Origin:
    """Put the weights of a file into ``model``; all or nothing. Return their :class:`Origin`.

    The file is one of PyTorch (zip or legacy format), safetensors (whole, or an index of shards, or the folder of
    one), npz, a file of :func:`save_weights` or a checkpoint of a training. Its names may be those of
    minires or of any known library, behind any prefix ("module.", "backbone."); ``layout``, such as "torchvision",
    allows those of one alone. Of what a training saved the entry is taken that fits; where several do, ``entry`` says
    which: "state_dict_ema". Tensors outside the network are left out. Floats take the type of the model.

    Raises CheckpointError for a file that is broken or wants to run code, for numbers that are NaN or infinite, and,
    with a list of all that is missing, unexpected or of another shape, where file and model differ.
    """
    file = open_weights(path)
    match = choose(
        file, find_matches(file, model, LAYOUTS if layout is None else [layout_called(layout)], entry), entry
    )
    origin = origin_of(match)
    fill(match)
    return origin


def build_with_weights(
    name: str,
    path: StrPath,
    *,
    num_classes: int | None = None,
    in_channels: int | None = None,
    layout: str | None = None,
    entry: str | None = None,
    **options: Any,
) -> tuple[Layer, Origin]:
    """Return ``(model, origin)``: the network called ``name`` with the weights of a file, and their :class:`Origin`.

    The options that the network of the file's library needs, such as shortcut="A-both", are set unless ``options`` has
    them. The origin says how images are to be normalised, where that is known. The rest as in
    :func:`~minires.models.build` and :func:`load_weights`.
    """
    file = open_weights(path)
    layouts = layouts_of(name) if layout is None else [layout_called(layout)]
    match, model, _ = nearest(file, name, layouts, entry, num_classes=num_classes, in_channels=in_channels, **options)
    origin = origin_of(match)
    fill(match)
    return model, origin


def nearest(file, name, layouts, entry=None, **options):
    """(Match, model, options) of the network called ``name`` that fits an open file best, with nothing put into it."""
    models, matches = {}, []
    for candidate in layouts:
        settings = candidate.options | options
        key = repr(sorted(settings.items()))
        if key not in models:
            models[key] = build(name, rng=0, **settings)
        matches += [(match, models[key], settings) for match in find_matches(file, models[key], [candidate], entry)]
    chosen = choose(file, [match for match, _, _ in matches], entry)
    return next(found for found in matches if found[0] is chosen)


def put(arrays):
    """Fill each Buffer of ``[(Buffer, NumPy array)]`` in place, once every array is on the device of its buffer."""
    buffers = [buffer.data for buffer, _ in arrays]
    placed = [to_device(array, device_of(held)) for held, (_, array) in zip(buffers, arrays)]
    for held, array in zip(buffers, placed):
        held[...] = array  # in place: optimisers and compiled models may hold the array


def fill(match):
    """Fill the model of a :class:`Match`, once every number is known to be there and to be finite."""
    match.require()
    values = []
    for name, (_, buffer, _) in match.wanted.items():
        array = match.tensors[name].array(f"{match.file.path}: {name}").reshape(buffer.data.shape)
        with np.errstate(over="ignore"):
            array = array.astype(buffer.data.dtype)
        if bad := array.size - int(np.isfinite(array).sum()):
            raise CheckpointError(
                f"{match.file.path}: {name}: {bad} of {array.size} values are NaN or infinite as {array.dtype}, "
                "expected none: the file is damaged, or its training diverged"
            )
        values.append((buffer, array))
    put(values)
