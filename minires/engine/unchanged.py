"""Whether a model is still the one that plans were made for."""

import operator

import numpy as np

from ..layers import Buffer, Layer
from ..layers.known import kind_of

FLOATS = float, np.floating
READ_ANEW = np.ndarray, np.random.Generator, Layer, Buffer  # in every run; which layers there are stands in the walk


class Watch:
    """What plans depend on: the layers of ``model``, their methods and settings, the form of their tensors.

    :meth:`untouched` is asked before every run and costs 0.3 us for a layer. What was touched may still mean the same
    to a plan, as floats do, which every run reads anew: :meth:`same` tells.

    exact: for plans that hold numbers of the model; floats count then, and the arrays of the tensors
    own: the settings of the layers that run by methods of their user, apart
    """

    def __init__(self, model, exact=False):
        self.model, self.exact = model, exact
        walked = list(model.walk())
        self._layers = [layer for _, layer in walked]
        self._types, self._values = [*map(type, self._layers)], [dict(vars(layer)) for layer in self._layers]
        self._inside = list(_inside(self._layers))
        classes = {base for kind in self._types for base in kind.__mro__[:-1]}
        self._classes = [(base, dict(vars(base))) for base in classes]
        self._by_identity = all(kind.__eq__ is object.__eq__ for kind in self._types)
        self._tensors = [tensor for _, tensor in model.tensors()]
        self.forms, self._arrays = _forms(self._tensors), [tensor.data for tensor in self._tensors]
        spared = READ_ANEW if exact else READ_ANEW + FLOATS
        kinds = [(path, layer, kind_of(layer), _meaning(vars(layer), spared)) for path, layer in walked]
        self.own = [settings for _, _, kind, settings in kinds if kind is None]
        self._known = [(path, id(layer), kind, kind and settings) for path, layer, kind, settings in kinds]

    def untouched(self, model):
        """Whether nothing at all has changed since, neither in the tree nor in its classes."""
        try:
            return (
                model is self.model
                and self._by_identity  # else another layer may be equal to the one that was there
                and [*map(vars, self._layers)] == self._values
                and [*map(type, self._layers)] == self._types
                and all(parts(vars(layer)[name]) == then for layer, name, parts, then in self._inside)
                and all(vars(base) == methods for base, methods in self._classes)
                and self._same_arrays()
            )
        except ValueError:  # a layer of the user holds another array: arrays have no truth value
            return False

    def _same_arrays(self):
        """Whether the tensors have the same arrays or, where that is enough, others of the same form."""
        arrays = [tensor.data for tensor in self._tensors]
        if _are(arrays, self._arrays):
            return True
        if self.exact or _forms(self._tensors) != self.forms:
            return False
        self._arrays = arrays
        return True

    def same(self, other, own=True):
        """Whether plans made under ``other`` are right under this; ``own``: whether layers of the user count."""
        known = self._known == other._known and self.forms == other.forms
        arrays = not self.exact or _are(self._arrays, other._arrays)
        return known and arrays and self.exact == other.exact and (not own or self.own == other.own)


def _meaning(value, spared):
    """A setting as something to compare; of what every run reads anew the type."""
    if isinstance(value, dict):
        return tuple((name, _meaning(part, spared)) for name, part in value.items())
    if isinstance(value, (list, tuple, set)):
        return tuple(_meaning(part, spared) for part in value)
    return type(value) if isinstance(value, spared) else value


def _inside(layers):
    """Yield (layer, attribute, function, parts): what stands in lists and dicts now, and how to see it later."""
    for layer in layers:
        for name, value in vars(layer).items():
            if isinstance(value, (dict, list, tuple, set)):
                deep = any(isinstance(part, (dict, list, tuple, set)) for part in _values(value))
                if deep or not isinstance(value, tuple):
                    parts = _all_items if deep else _items
                    yield layer, name, parts, parts(value)


def _values(value):
    return value.values() if isinstance(value, dict) else value


def _items(value):
    return list(value.items()) if isinstance(value, dict) else list(value)


def _all_items(value):
    """The parts, and theirs in their place."""
    if not isinstance(value, (dict, list, tuple, set)):
        return value
    keys = list(value) if isinstance(value, dict) else None
    return type(value), keys, [*map(_all_items, _values(value))]


def _forms(tensors):
    return [(type(array), array.shape, array.dtype) for array in [tensor.data for tensor in tensors]]


def _are(some, others):
    return len(some) == len(others) and all(map(operator.is_, some, others))
