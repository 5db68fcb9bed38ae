"""A network for new data that starts from the weights of a file, though the file is for other classes."""

import hashlib
import os
from dataclasses import dataclass
from typing import Any

from ..errors import RangeError
from ..files import StrPath
from ..initializers import Rng
from ..layers import Conv2d
from ..layers.base import Layer
from ..models import find
from ..models.transfer import adapt_stem, head_of, replace_head
from .load import fill, nearest
from .names import layouts_of
from .open import open_weights
from .search import origin_of
from .shards import find_file, is_index, read_index


@dataclass(frozen=True)
class Start:
    """A model with the weights of a file.

    options: of :func:`~minires.models.build`, with which the same network is built without the file
    sha256: of the file, in hexadecimal; of an index and its shards, one after the other
    notes: what was decided, in sentences for people
    """

    model: Layer
    options: dict
    sha256: str
    notes: tuple


def start_from(
    name: str,
    path: StrPath,
    *,
    num_classes: int,
    in_channels: int | None = None,
    rng: Rng,
    entry: str | None = None,
    **options: Any,
) -> Start:
    """Return a :class:`Start`: the network called ``name`` with the weights of a file, ready for other classes.

    Where the file is for another number of classes, the last linear layer is a fresh one, drawn from ``rng``; where it
    is for three channels and the images have one, :func:`~minires.models.transfer.adapt_stem` makes one of them. The
    rest as in :func:`~minires.weights.build_with_weights`.
    """
    in_channels = find(name)[0].in_channels if in_channels is None else in_channels
    file, layouts = open_weights(path), layouts_of(name)
    wanted = {"num_classes": num_classes, "in_channels": in_channels}
    match, model, settings = nearest(file, name, layouts, entry, **wanted, **options)
    sizes = wanted if match.complete else sizes_in(match, model, wanted)
    if sizes != wanted:
        match, model, settings = nearest(file, name, layouts, entry, **sizes, **options)
    fill(match)
    notes = [f"weights of {path}: {origin_of(match).words()}"]
    if sizes["num_classes"] != num_classes:
        model = replace_head(model, num_classes, rng=rng)
        notes.append(
            f"the file is for {sizes['num_classes']} classes, the data have {num_classes}: {head_of(model)} is new"
        )
    if sizes["in_channels"] != in_channels:
        model = adapt_stem(model)
        notes.append(f"the file is for {sizes['in_channels']} channels, the data have 1: its first filters are summed")
    settings = {option: value for option, value in settings.items() if option not in wanted}
    return Start(model, settings, digest(path), tuple(notes))


def sizes_in(match, model, wanted):
    """``wanted``, classes and channels, as they are in the file of a :class:`~minires.weights.match.Match`."""
    stored = {path: match.tensors[name].shape for name, (path, _, _) in match.wanted.items() if name in match.tensors}
    sizes = dict(wanted)
    try:
        head = stored.get(f"{head_of(model)}.weight", ())
    except RangeError:  # a network without a linear layer: its classes cannot be exchanged
        head = ()
    first = next((path for path, layer in model.walk() if isinstance(layer, Conv2d)), None)
    stem = stored.get(f"{first}.weight", ())
    if head:
        sizes["num_classes"] = head[0]
    if len(stem) == 4 and wanted["in_channels"] == 1:
        sizes["in_channels"] = stem[1]
    return sizes


def digest(path):
    """The SHA-256 of a file of weights, or of an index and its shards, one after the other."""
    path = find_file(os.fspath(path))
    found = hashlib.sha256()
    for name in [path, *_shards(path)]:
        with open(name, "rb") as file:
            while block := file.read(2**20):
                found.update(block)
    return found.hexdigest()


def _shards(path):
    with open(path, "rb") as file:
        start = file.read(16)
        if not is_index(start):
            return []
        return [os.path.join(os.path.dirname(path), name) for name in read_index(start + file.read())]
