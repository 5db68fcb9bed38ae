"""One real forward and backward on a private copy of a model, recorded layer by layer."""

import copy
from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from ..backend import to_numpy
from ..errors import RangeError
from ..layers import Fork, Param
from ..layers.tree import held
from .said import said

PLACES = {
    "": "{phase}: {path} ({kind})",
    "begin": "{phase}: begin of {path} ({kind})",
    "end": "{phase}: end of {path} ({kind})",
    "raise": "{phase}: failed in {path} ({kind})",
}


@dataclass(eq=False)
class Event:
    """One stop: the begin or the end of a container, or a layer without children as a whole.

    ``phase``: "forward", "loss" or "backward"   ``moment``: "begin", "end", or "raise" where the run failed
    ``path``, ``kind``: the layer ("" is the model) and its class
    ``index``, ``begin``, ``end``, ``parent``: places in the record: of this event, of the begin and the end of its
    layer, and of the begin of the container around it (None for the model)

    ``x``, ``y``, ``dy``, ``dx``: read-only NumPy arrays, or None where they are not known (yet); in backward x and y
    are those of the forward to which it belongs. ``terms``: the parts of dx at the end of a fork
    ``params``: the layer's own parameters   ``grads``: what this backward added to their gradients
    """

    phase: str
    moment: str
    path: str
    kind: str
    index: int
    begin: int
    parent: int | None
    end: int = -1
    x: np.ndarray | None = None
    y: np.ndarray | None = None
    dy: np.ndarray | None = None
    dx: np.ndarray | None = None
    terms: dict = field(default_factory=dict)
    params: dict = field(default_factory=dict)
    grads: dict = field(default_factory=dict)

    @property
    def where(self):
        """One line: phase, begin or end of a container, path and class."""
        return self.in_words()

    def in_words(self, language="en"):
        """The same in a language, "en" or "zh"."""
        whole = self.moment == "end" and self.begin == self.index
        path = self.path or said(language, "the model")
        return said(
            language, PLACES["" if whole else self.moment], phase=said(language, self.phase), path=path, kind=self.kind
        )

    @property
    def arrays(self):
        """{name: array}: x, y, dy, dx, the terms, each parameter ("weight") and its gradient ("dweight")."""
        core = {"x": self.x, "y": self.y, "dy": self.dy, "dx": self.dx}
        dparams = {f"d{name}": grad for name, grad in self.grads.items()}
        named = {**core, **self.terms, **self.params, **dparams, **core}  # once for the order, once to prevail
        return {name: array for name, array in named.items() if array is not None}


class Recorder:
    """Runs a deep copy of ``model`` and collects the :class:`Event` of each layer in ``events``.

    The methods of every part of the copy are wrapped on the instance; they pass on exactly what they get, so the
    run computes what the model itself would compute. ``error`` is what a layer raised, None if all went well.
    """

    def __init__(self, model, limit):
        self.events, self.error, self._full = [], None, None
        self.limit, self.held = limit, 0
        self._open = []  # the begin events around the layer that runs now
        self._calls = [Counter()]  # for each of them, how often each layer ran inside
        self._kept, self._paths, self._runs, self._terms = {}, {}, {}, {}
        self.model = copy.deepcopy(model)
        self.model.zero_grads()
        for path, part in self.model.walk():
            if id(part) not in self._paths:
                self._paths[id(part)], self._runs[id(part)] = [], []
                self._wrap(part)
            self._paths[id(part)].append(path)

    def run(self, x, train, loss, labels, dy):
        """Record forward, the loss (unless ``dy`` is given) and backward; an error of a layer ends the record."""
        try:
            with np.errstate(all="ignore"):  # the record shows what is not finite; a warning says no more
                y, cache = self.model.forward(x, train)
                self.model.backward(self._lose(loss, y, labels) if dy is None else dy, cache)
        except Exception as error:
            if error is not self.error:
                raise
        for event in self.events:
            event.end = event.end if event.end >= 0 else len(self.events) - 1
        self._kept, self._runs = {}, {}

    def _wrap(self, part):
        forward, backward = part.forward, part.backward

        def recorded_forward(x, train=False):
            begin = self._begin("forward", part, self._path_of(part), x=self._keep(x))
            y, cache = self._call(begin, lambda: _pair(forward(x, train)))
            self._runs[id(part)].append((cache, self._end(begin, y=self._keep(y))))
            return y, cache

        def recorded_backward(dy, cache):
            there = self._forward_event(part, cache)
            path, x, y = (there.path, there.x, there.y) if there else (self._path_of(part), None, None)
            before = {name: np.array(to_numpy(p.grad)) for name, p in _own_params(part) if not p.frozen}
            begin = self._begin("backward", part, path, x=x, y=y, dy=self._keep(dy))
            dx = self._call(begin, lambda: backward(dy, cache))
            grads = self._call(begin, lambda: self._added(before, dict(_own_params(part))))
            self._end(begin, dx=self._keep(dx), terms=self._terms.pop(id(part), {}), grads=grads)
            return dx

        part.forward, part.backward = recorded_forward, recorded_backward
        if isinstance(part, Fork):
            part.terms = self._recorded_terms(part, part.terms)

    def _added(self, before, params):
        return {name: self._hold(np.array(to_numpy(params[name].grad) - grad)) for name, grad in before.items()}

    def _recorded_terms(self, part, terms):
        def recorded(dy, cache):
            found = terms(dy, cache)
            self._terms[id(part)] = {name: self._keep(term) for name, term in found.items()}
            return found

        return recorded

    def _lose(self, loss, y, labels):
        """Record the loss as a layer between the two directions; return the gradient of the model's output."""
        begin = self._add("loss", "begin", "loss", type(loss).__name__, x=self._keep(y))
        value, cache = self._call(begin, lambda: loss.forward(y, labels))
        dlogits = self._call(begin, lambda: loss.backward(cache))
        self._end(begin, y=self._keep(value), dx=self._keep(dlogits))
        return dlogits

    def _begin(self, phase, part, path, **arrays):
        params = {name: self._keep(p.data) for name, p in _own_params(part)}
        event = self._add(phase, "begin", path, type(part).__name__, params=params, **arrays)
        self._open.append(event)
        self._calls.append(Counter())
        return event

    def _end(self, begin, **arrays):
        """The event at the end of a layer; a layer in which no other ran is one event from begin to end."""
        self._close(begin)
        event = begin
        if begin is not self.events[-1]:
            event = copy.copy(begin)
            event.index = len(self.events)
            self.events.append(event)
        event.moment, begin.end, event.end = "end", event.index, event.index
        for name, value in arrays.items():
            setattr(event, name, value)
        return event

    def _close(self, begin):
        if begin in self._open:
            self._open.pop()
            self._calls.pop()

    def _add(self, phase, moment, path, kind, **arrays):
        parent = self._open[-1].index if self._open else None
        index = len(self.events)
        event = Event(phase, moment, path, kind, index, index, parent, **arrays)
        self.events.append(event)
        return event

    def _call(self, begin, function):
        """``function()``; the first layer that raises, the innermost one, ends the record."""
        try:
            return function()
        except Exception as error:
            if self.error is None and error is not self._full:
                self.error = error
                self._end(begin).moment = "raise"
            raise

    def _path_of(self, part):
        """The path under which ``part`` runs now: a shared layer has several, taken in order within a container."""
        around = self._open[-1].path if self._open else ""
        paths = self._paths[id(part)]
        paths = [path for path in paths if not around or path.startswith(f"{around}.")] or paths
        calls = self._calls[-1]
        calls[id(part)] += 1
        return paths[(calls[id(part)] - 1) % len(paths)]

    def _forward_event(self, part, cache):
        """The end of the forward that made ``cache``; None if there is none.

        A cache that is not unique (None) belongs to the latest forward that has had no backward.
        """
        runs = self._runs[id(part)]
        places = [i for i, (made, _) in enumerate(runs) if made is cache]
        if not places:
            return runs[-1][1] if runs else None
        return runs[places[-1]][1] if len(runs) == 1 else runs.pop(places[-1])[1]

    def _keep(self, array):
        """A read-only copy of ``array``, the one made before if the array is the same and has not changed."""
        if not hasattr(array, "dtype"):
            return None
        host = to_numpy(array)
        live, kept = self._kept.get(id(array), (None, None))
        if live is None or not np.array_equal(kept, host, equal_nan=True):
            kept = self._hold(np.array(host, order="C"))
            self._kept[id(array)] = array, kept  # with the array, so that nothing else gets its id
        return kept

    def _hold(self, copied):
        self.held += copied.nbytes
        if self.held > self.limit:
            at = self._open[-1].path if self._open else ""
            self._full = RangeError(
                f"the record holds {self.held:,} bytes at {at or 'the model'}, expected at most limit={self.limit:,}: "
                "pass fewer images, or a higher limit"
            )
            raise self._full
        copied.setflags(write=False)
        return copied


def _pair(result):
    y, cache = result
    return y, cache


def _own_params(part):
    return list(held(part, Param))
