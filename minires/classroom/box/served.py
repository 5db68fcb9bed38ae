"""What stays with the grader while a submission uses it: layers, functions, and the caches that they leave."""

import functools

import numpy as np

from ...gradcheck import gradcheck
from ...layers.base import Param
from .inside.wire import AS_TEXT, SEEN, Function, Handle, Part, Seed

SHOWN = 2000  # characters of an error
CHECKED, FORWARDS = 10_000, 30  # numbers in the x of a gradient check, and the forwards that it counts as
FOREIGN = "{} got a cache that is not its own: give each layer's backward the cache of its own forward"
KEPT = 20_000_000  # numbers in the arguments of all calls: what caches hold is of their order


class Shown:
    """A function that hides nothing: it goes into the box, and is called there without asking here.

    text: defines ``name``, with nothing but np   given: its first arguments, arrays
    """

    def __init__(self, text, name, *given):
        self.text, self.name, self.given = text, name, given

    def __call__(self, *arguments):
        return _defined(self.text, self.name)(*self.given, *arguments)


@functools.cache
def _defined(text, name):
    found = {"np": np}
    exec(text, found)
    return found[name]


class Served:
    """Numbers for layers and functions, and answers to a submission that uses them; what it asks for is its affair."""

    def __init__(self):
        self._things, self._numbers = [], {}  # [(layer or function, tensors of a layer), ...], their places by id
        self._caches, self._kept = [], 0

    def part(self, value):
        """A layer or a function as its number, or as its text; a generator as a seed drawn from it, anything else as it
        is."""
        if isinstance(value, np.random.Generator):
            return Seed(int(value.integers(2**32)))
        if isinstance(value, Shown):
            return [value.text, value.name, *value.given]
        kind = Part if hasattr(value, "backward") else Function if callable(value) else None
        if kind is None:
            return value
        number = self._numbers.setdefault(id(value), len(self._things))  # it is kept, so that no other has its id
        if number == len(self._things):  # to find the tensors takes longer than most calls
            self._things.append((value, list(value.tensors()) if kind is Part else []))
        return kind(number)

    def answer(self, *request):
        """["ok", results ...] or ["error", text]."""
        try:
            part, method, arguments = request
            self._kept += sum(a.size for a in arguments if isinstance(a, np.ndarray))
            if self._kept > KEPT:
                raise ValueError(f"the arrays of all calls hold more than {KEPT} numbers: use fewer or smaller ones")
            ask = {
                "call": self._call,
                "tensors": _described,
                "forward": self._forward,
                "backward": self._backward,
                "gradients": self._gradients,
            }
            return ["ok", *ask[method](*self._things[part.number], *arguments)]
        except Exception as error:
            return ["error", str(error)[:SHOWN]]

    def _keep(self, owner, value):
        self._caches.append((owner, value))
        return Handle(len(self._caches) - 1)

    def _call(self, function, _, *arguments):
        """[whether it returns a tuple, results, [[number, array], ...] of arguments that it has written into]"""
        given = [self._caches[a.number][1] if isinstance(a, Handle) else a for a in arguments]
        before = [a.tobytes() if isinstance(a, np.ndarray) else None for a in given]
        results = function(*given)
        several = isinstance(results, tuple)
        values = [self._exported(value) for value in (results if several else [results])]
        changed = [[i, a] for i, (a, b) in enumerate(zip(given, before)) if b is not None and a.tobytes() != b]
        return several, values, changed

    def _exported(self, value):
        if value is None or isinstance(value, (np.ndarray, np.number, bool, int, float, str)):
            return value
        value = self.part(value)
        if isinstance(value, Part):  # its arrays at once, which would be asked for next
            return [value, *_described(*self._things[value.number])]
        return value if isinstance(value, Handle) else self._keep(None, value)

    def _forward(self, layer, tensors, x, train, arrays=None):
        """y and the handle of its cache. "same" in the place of y: the layer returns the very array that it got, so
        that writing into one writes into the other. With ``arrays`` also its buffers, None where nothing changes."""
        _set(tensors, arrays)
        before = [None if arrays is None or isinstance(t, Param) else t.data.tobytes() for _, t in tensors]
        y, cache = layer.forward(x, bool(train))
        handle = self._keep(layer, cache)
        if arrays is None:
            return "same" if y is x else y, handle
        return y, handle, [None if b in (None, t.data.tobytes()) else t.data for b, (_, t) in zip(before, tensors)]

    def _backward(self, layer, tensors, dy, handle, arrays=None):
        """dx, or "same"; with ``arrays`` the gradients of the parameters, too."""
        owner, cache = self._caches[handle.number]
        if owner is not layer:
            raise ValueError(FOREIGN.format(type(layer).__name__))
        _set(tensors, arrays)
        for _, t in tensors if arrays else ():
            if isinstance(t, Param):
                t.grad = np.zeros_like(t.data)
        dx = layer.backward(dy, cache)
        if arrays is None:
            return ["same" if dx is dy else dx]
        return dx, [t.grad for _, t in tensors if isinstance(t, Param)]

    def _gradients(self, layer, tensors, x, train, arrays):
        """[[name, error, whether it is zero whatever dy is], ...] of a gradient check with one direction an array.
        None where it finds a mistake: which, the submission's own check says, by what it may ask for anyway."""
        if x.size > CHECKED:
            return [None]
        self._kept += FORWARDS * x.size
        _set(tensors, arrays)
        try:
            report = gradcheck(layer, x, train=bool(train), directions=1)
        except Exception:
            return [None]
        return [[[output.name, output.error, output.structurally_zero] for output in report.outputs]]


def _described(_, tensors):
    return [[[name, isinstance(t, Param), t.data] for name, t in tensors]]


def _set(tensors, arrays):
    for (_, t), array in zip(tensors, arrays or ()):
        t.data = array


class Seen:
    """Numbers for the last arrays that a submission got. It may have kept them: what it writes into one in a later call
    arrives here, and it sees what has become of them, as it would in this process."""

    def __init__(self):
        self.arrays, self._next = {}, 0

    def number(self, value):
        """That of an array, AS_TEXT for a function that goes as its text, -1 for anything else."""
        if not isinstance(value, np.ndarray):
            return AS_TEXT if isinstance(value, Shown) else -1
        number = next((n for n, array in self.arrays.items() if array is value), self._next)
        self._next += number == self._next
        self.arrays.pop(number, None)
        self.arrays[number] = value
        while len(self.arrays) > SEEN:
            del self.arrays[next(iter(self.arrays))]
        return number
