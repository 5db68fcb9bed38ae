"""Everything that somebody may change in a model between two runs, and what the definition says to it."""

import copy
import types

import numpy as np
from oracles import assert_same, run

from minires.errors import MiniresError
from minires.layers import Buffer, Layer, Param, Scale, Sequential


def changes(layer):
    """Yield (name, function) for each thing that can be changed in a layer: function(layer) changes it."""
    for name, value in vars(layer).items():
        for how, change in _changes_of(name, value):
            yield f"{name}: {how}", change
    yield from METHODS.items()


def _changes_of(name, value):
    def put(make):
        return lambda layer: setattr(layer, name, make(getattr(layer, name)))

    if isinstance(value, bool):
        yield "the other", put(lambda v: not v)
    elif isinstance(value, (int, float)):
        yield "more", put(lambda v: v + 1 if isinstance(v, int) else 1.5 * v)
        yield "less", put(lambda v: v - 1 if isinstance(v, int) else v / 2)
    elif isinstance(value, tuple) and all(isinstance(v, int) for v in value):
        for i in range(len(value)):
            yield f"more at {i}", put(lambda v, i=i: (*v[:i], v[i] + 1, *v[i + 1 :]))
        yield "a list", put(lambda v: [k + 1 for k in v])
    elif value is None:
        yield "a bias", lambda layer: setattr(layer, name, _random(Param, layer.weight.data.shape[:1], layer))
    elif isinstance(value, Buffer):
        yield "another", put(lambda v: _random(type(v), v.data.shape, v))
        yield "none", put(lambda v: None)
        yield "other numbers", lambda layer: setattr(getattr(layer, name), "data", 1.25 * getattr(layer, name).data)
        if value.data.dtype.kind == "f":
            yield "in place", lambda layer: np.multiply(getattr(layer, name).data, 0.75, out=getattr(layer, name).data)
        yield "longer", put(lambda v: _random(type(v), (v.data.shape[0] + 1, *v.data.shape[1:]), v))
        yield "frozen", lambda layer: setattr(getattr(layer, name), "frozen", True)
    elif isinstance(value, Layer):
        yield "another", put(lambda v: Scale(0.5))
        yield "one more", put(lambda v: Sequential(v, Scale(0.5)))
    elif isinstance(value, dict):
        yield "turned around", put(lambda v: dict(reversed(v.items())))
        yield "last to the front", lambda layer: _rotate(getattr(layer, name))
        yield "another", lambda layer: getattr(layer, name).update({next(iter(getattr(layer, name))): Scale(0.5)})
        yield "one more", lambda layer: getattr(layer, name).update(extra=Scale(0.5))
        yield "one less", lambda layer: getattr(layer, name).popitem()
    elif isinstance(value, np.random.Generator):
        yield "another", put(lambda v: np.random.default_rng(7))


def _random(kind, shape, like):
    rng = np.random.default_rng(5)
    array = like.data if isinstance(like, Buffer) else like.weight.data
    return kind(rng.uniform(0.5, 1.5, shape).astype(array.dtype))


def _rotate(items):
    for name in list(items)[:-1]:
        items[name] = items.pop(name)


def _forward(self, x, train=False):
    y, cache = type(self).forward(self, x, train)
    return 2 * y, cache


def _backward(self, dy, cache):
    return 3 * type(self).backward(self, dy, cache)


def _overridden(layer):
    """A subclass in the place of the class, with methods of its own."""
    kind = type(layer)

    def forward(self, x, train=False):
        y, cache = kind.forward(self, x, train)
        return 2 * y, cache

    def backward(self, dy, cache):
        return kind.backward(self, 2 * dy, cache)

    layer.__class__ = type("Own", (kind,), {"forward": forward, "backward": backward, "__call__": Layer.__call__})


METHODS = {
    "forward: a hook": lambda layer: setattr(layer, "forward", types.MethodType(_forward, layer)),
    "backward: a hook": lambda layer: setattr(layer, "backward", types.MethodType(_backward, layer)),
    "class: a subclass": _overridden,
}


def outcome(model, x):
    """What a model answers in inference, in evaluation and in training: arrays by name, or the error."""
    try:
        inference, evaluation = model(x), model.forward(x, False)[0]
        dy = np.random.default_rng(3).standard_normal(evaluation.shape)
        training = {name: np.array(value) for name, value in run(model, x, dy, True).items()}
        return {"inference": inference, "evaluation": evaluation, **training}
    except Exception as error:
        return error


def assert_as_definition(fast, x):
    """The compiled model as it stands answers what a copy of its definition answers, errors among it."""
    twin = copy.deepcopy(fast.definition)
    found, expected = outcome(fast, x), outcome(twin, x)
    if isinstance(expected, Exception):
        assert isinstance(found, Exception), f"the definition raises {expected!r}, the engine nothing"
        if isinstance(expected, MiniresError):
            assert (type(found), str(found)) == (type(expected), str(expected)), f"{found!r}, not {expected!r}"
    else:
        assert not isinstance(found, Exception), f"the engine raises {found!r}, the definition nothing"
        for name, value in expected.items():
            assert np.array_equal(np.isfinite(found[name]), np.isfinite(value)), f"{name} is finite elsewhere"
        assert_same(_finite(found), _finite(expected), 1e-10)


def _finite(answer):
    return {name: np.where(np.isfinite(value), value, 0) for name, value in answer.items()}
