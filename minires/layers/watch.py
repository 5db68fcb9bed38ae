"""Seeing what passes through the layers of a model, without a word in the layers themselves."""

import copy
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

from ..backend import Array
from .base import Layer


@contextmanager
def watched(layers, **around):
    """While the body runs, a call of the method ``name`` of a layer is ``around[name](path, layer, method)(...)``.

    layers: pairs (path, layer), such as ``model.walk()``; those that lack the method are passed over, and one that
    comes twice is seen under its first path. Afterwards every layer is as it was, also after an error.

    >>> import numpy as np
    >>> from minires.layers import ReLU, Sequential
    >>> seen = []
    >>> def noting(path, layer, forward):
    ...     return lambda x, train=False: (seen.append(path), forward(x, train))[1]
    >>> model = Sequential(ReLU(), Sequential(ReLU()))
    >>> with watched(model.walk(), forward=noting):
    ...     _ = model(np.zeros((1, 2)))
    >>> seen
    ['', '0', '1', '1.0']
    """
    touched = {}
    for path, layer in layers:
        if id(layer) not in touched:
            touched[id(layer)] = layer, {name: vars(layer).get(name) for name in around}
            for name, wrap in around.items():
                if hasattr(layer, name):
                    setattr(layer, name, wrap(path, layer, getattr(layer, name)))
    try:
        yield
    finally:
        for layer, before in touched.values():
            for name, own in before.items():
                vars(layer).pop(name, None) if own is None else setattr(layer, name, own)


def observe(layer: Layer, see: Callable[[str, Layer, Array, Array], Any]) -> Layer:
    """Return a copy of ``layer`` that shares its tensors and calls ``see(path, layer, x, y)`` after each forward.

    ``path`` and ``layer`` are those of the original; containers are seen after their children.

    >>> import numpy as np
    >>> from minires.layers import ReLU, Scale, Sequential
    >>> largest = {}
    >>> def see(path, layer, x, y):
    ...     largest[path] = float(y.max())
    >>> _ = observe(Sequential(Scale(3), ReLU()), see)(np.array([[-2.0, -1.0]]))
    >>> largest
    {'0': -3.0, '1': 0.0, '': 0.0}
    """
    shared = {id(t): t for _, t in layer.tensors()}
    twin = copy.deepcopy(layer, shared)
    for (path, original), (_, part) in zip(layer.walk(), twin.walk(), strict=True):
        if "forward" not in vars(part):  # a layer used twice is seen under its first path
            vars(part)["forward"] = _seeing(part.forward, see, path, original)
    return twin


def _seeing(forward, see, path, original):
    def seen(x, train=False):
        y, cache = forward(x, train)
        see(path, original, x, y)
        return y, cache

    return seen
