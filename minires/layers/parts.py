"""Other layers in the place of those that a model has."""

import copy
from collections.abc import Mapping

from ..errors import DTypeError, RangeError
from .base import Layer
from .tree import join


def replace(model: Layer, parts: Mapping[str, Layer]) -> Layer:
    """Return a copy of ``model`` that has ``layer`` at ``path`` for each ``{path: layer}`` of ``parts``.

    The copy shares the parameters; its running statistics and generators are its own, so that running it leaves the
    model as it was. The layers may be parts of the model: ``{a: model.at(b), b: model.at(a)}`` exchanges two.
    Raises RangeError for a path that does not exist, and for a path inside another.

    >>> from minires.layers import Linear, ReLU, Sequential, Tanh
    >>> model = Sequential(Linear(2, 3, rng=0), ReLU())
    >>> smooth = replace(model, {"1": Tanh()})
    >>> smooth[1], smooth[0].weight is model[0].weight
    (Tanh(), True)
    """
    for path, layer in parts.items():
        if model.at(path) is model:
            raise RangeError("the path '' is the whole model, expected that of a part: 'stage1.0'")
        if not isinstance(layer, Layer):
            raise DTypeError(f"the part for {path} is {layer!r}, expected a Layer: an instance such as ReLU()")
        for outer in parts:
            if path.startswith(f"{outer}."):
                raise RangeError(f"{path} lies inside {outer}: replace one of them, or first one, then the other")
    shared = {id(p): p for layer in (model, *parts.values()) for _, p in layer.params()}
    twin = copy.deepcopy(model, shared)
    for path, layer in parts.items():
        put(twin, path, copy.deepcopy(layer, shared))
    return twin


def put(model: Layer, path: str, layer: Layer) -> None:
    """Put ``layer`` in the place of the part at ``path``, which must exist, in ``model`` itself."""
    holder, name = next(
        (holder, name) for at, holder in model.walk() for name, _ in holder.children() if join(at, name) == path
    )  # not cut at the last dot: a child in a list is called "ws.0"
    holder.set_child(name, layer)
