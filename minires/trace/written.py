"""Containers that a user wrote: what they do with their children, found by watching one forward.

    def forward(self, x, train=False):                    is read as
        f, a = self.conv1.forward(x, train)
        f, b = self.conv2.forward(f, train)                   Residual(Sequential(conv1, conv2))
        return x + f, (a, b)

What flows is told apart by identity: what a child is given must be the very array that came in or that another child
gave, or the sum of two such, bit for bit. Each child must be called once, and on the way from x to y. Then backward,
with the caches of that same forward, must give what the children and the sum give; where one of these fails, the
layer stays what it is, one step from x to y.
"""

import copy
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..backend import Array, device_of, to_device
from ..layers import Fork, Layer, Residual, Sequential
from ..layers.known import kind_of
from ..layers.base import inside
from ..layers.watch import watched
from .norms import agrees, same


@dataclass(eq=False)
class Call:
    """One forward of a layer, and the calls of its children inside."""

    layer: Layer | None = None
    x: Array | None = None
    y: Array | None = None
    cache: Any = None
    inner: list = field(default_factory=list)


@dataclass(eq=False)
class Join:
    """A sum of two ways from the same array, each a list of :class:`Call` and :class:`Join`."""

    branch: list
    shortcut: list


def is_written(layer):
    """Whether ``layer`` is a container with a forward of its own, other than a fork, whose terms tell what it does."""
    return kind_of(layer) is None and not isinstance(layer, Fork) and next(layer.children(), None) is not None


def read_written(model, x, train):
    """{path: [(name of the child, layer)]}: the chains that the written containers of ``model`` run on x.

    A child without a name, "", is a :class:`~minires.layers.Residual` that stands for a sum. A container that cannot
    be read is left out.
    """
    if not any(is_written(layer) for _, layer in model.walk()):
        return {}
    read = {}
    for path, call in _calls(copy.deepcopy(model), x, train):
        if is_written(call.layer) and path not in read:
            with inside(path):
                read[path] = _chain(call)
            if read[path] is not None:
                names = {id(child): name for name, child in call.layer.children()}
                read[path] = _parts(read[path], names, dict(model.at(path).children()))
    return {path: parts for path, parts in read.items() if parts is not None}


def _calls(model, x, train):
    """Run ``model`` forward; return [(path, :class:`Call`)] of its layers in the order in which they end."""
    ended, around = [], [Call()]

    def noting(path, layer, forward):
        def noted(x, train=False):
            call = Call(layer, x)
            around[-1].inner.append(call)
            around.append(call)
            call.y, call.cache = forward(x, train)
            around.pop()
            ended.append((path, call))
            return call.y, call.cache

        return noted

    with watched(model.walk(), forward=noting):
        model.forward(x, train)
    return ended


def _chain(call):
    """The steps from ``call.x`` to ``call.y``; None where they, or the backward of the layer, are something else."""
    steps = _way(call.y, call.x, call.inner)
    used = [] if steps is None else list(_calls_in(steps))
    children = [id(layer) for _, layer in call.layer.children()]
    if not sorted(map(id, call.inner)) == sorted(map(id, used)) or sorted(children) != sorted(
        id(one.layer) for one in used
    ):
        return None
    dy = np.random.default_rng(0).standard_normal(call.y.shape).astype(call.y.dtype)
    dy = to_device(dy, device_of(call.y))
    return steps if agrees(_back(steps, dy), call.layer.backward(dy.copy(), call.cache)) else None


def _way(y, x, calls):
    """The steps from x to y; None where there are none."""
    made = next((call for call in calls if call.y is y), None)
    if made is not None:
        before = _way(made.x, x, [call for call in calls if call is not made])
        return None if before is None else [*before, made]
    if y is x:
        return []
    known = [x, *(call.y for call in calls)]
    for i, b in enumerate(known):
        for a in known[:i]:
            if a.shape == b.shape == y.shape and same(a + b, y):
                return _joined(_way(a, x, calls), _way(b, x, calls))
    return None


def _joined(one, other):
    """The steps of a sum: what both ways share, then the :class:`Join` of what they do not; the shortcut is shorter."""
    if one is None or other is None:
        return None
    shared = 0
    while shared < min(len(one), len(other)) and one[shared] is other[shared]:
        shared += 1
    shortcut, branch = sorted((one[shared:], other[shared:]), key=lambda way: len(list(_calls_in(way))))
    return [*one[:shared], Join(branch, shortcut)] if branch else None


def _calls_in(steps):
    for step in steps:
        if isinstance(step, Join):
            yield from _calls_in([*step.branch, *step.shortcut])
        else:
            yield step


def _back(steps, dy):
    for step in reversed(steps):
        if isinstance(step, Join):
            dy = _back(step.shortcut, dy) + _back(step.branch, dy)
        else:
            dy = step.layer.backward(dy, step.cache)
    return dy


def _parts(steps, names, children):
    """[(name, layer)] of steps, with the layers of ``children``."""
    parts = []
    for step in steps:
        if isinstance(step, Join):
            shortcut, branch = (_parts(way, names, children) for way in (step.shortcut, step.branch))
            parts.append(("", Residual(_layer(branch), _layer(shortcut) if shortcut else None)))
        else:
            name = names[id(step.layer)]
            parts.append((name, children[name]))
    return parts


def _layer(parts):
    """One layer for a way: its only one, or their chain; a sum within the way is called "add"."""
    (_, first), *rest = parts
    return first if not rest else Sequential(**{name or "add": layer for name, layer in parts})
