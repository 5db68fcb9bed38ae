"""Layer, Fork, Param and Buffer: the whole object model of minires."""

import copy
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, Self

import numpy as np

from ..backend import Array, DType, to_device, xp_of
from ..errors import DTypeError, MiniresError, RangeError, StateError
from .checks import FLOATS, plain
from .tree import held, join, with_part

_ADDING = threading.Lock()


class Buffer:
    """An array that belongs to a layer but is not trained (running statistics)."""

    def __init__(self, data: Array) -> None:
        self.data = plain(data, "data", type(self).__name__)

    def __repr__(self):
        return f"{type(self).__name__}{self.data.shape}"


class Param(Buffer):
    """A trained array and the gradient that ``backward`` adds to. A frozen one gets none, and costs none."""

    def __init__(self, data: Array) -> None:
        super().__init__(data)
        self.frozen = False
        self.grad = xp_of(self.data).zeros(self.data.shape, self.data.dtype)  # takes memory when it is written to

    def add_grad(self, gradient: Array) -> None:
        """grad += gradient, by one thread at a time: without the lock two that add at once lose a part of the sum."""
        with _ADDING:
            self.grad += gradient


class Layer:
    """One differentiable map. A subclass writes ``forward`` and ``backward``, nothing else.

    ``forward(x, train=False)`` returns ``(y, cache)``: all that ``backward`` needs is in the cache.
    ``backward(dy, cache)`` returns ``dx`` and adds to the ``grad`` of each :class:`Param`.

    A layer never keeps a cache, so one layer may run forward many times before it runs backward,
    and an evaluation between the two disturbs nothing. ``layer(x)`` is inference.

    The cache may hold x itself, which nobody may write over until backward has run: ``check_layer(...).reads_x`` tells
    whether a layer reads it. Threads may share a layer; one whose backward writes ``grad += ...``, without the lock of
    :meth:`Param.add_grad`, must be theirs alone in backward.
    """

    HOLDER: str | None = (
        None  # the attribute, a dict, whose layers go by their keys alone: "conv" instead of "layers.conv"
    )

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Any]:
        raise NotImplementedError(f"{type(self).__name__} does not define forward")

    def backward(self, dy: Array, cache: Any) -> Array:
        raise NotImplementedError(f"{type(self).__name__} does not define backward")

    def __call__(self, x: Array) -> Array:
        """Inference: ``forward(x, train=False)`` without its cache."""
        return self.forward(x, train=False)[0]

    def children(self) -> Iterator[tuple[str, "Layer"]]:
        """Yield ``(name, layer)`` for each layer held in an attribute, or a list, tuple or dict there ("convs.0")."""
        return held(self, Layer, self.HOLDER)

    def set_child(self, name: str, layer: "Layer") -> None:
        """Put ``layer`` in the place of the child called ``name``, which must exist; see :meth:`children`."""
        names = [child for child, _ in self.children()]
        if name not in names:
            found = ", ".join(names) or "none"
            raise RangeError(f"there is no child called {name!r}, the children are {found}", type(self).__name__)
        require_layer(self, name, layer)
        if self.HOLDER and name in getattr(self, self.HOLDER):
            getattr(self, self.HOLDER)[name] = layer
        else:
            first, *rest = name.split(".")
            setattr(self, first, with_part(getattr(self, first), rest, layer))

    def walk(self, path: str = "") -> Iterator[tuple[str, "Layer"]]:
        """Yield ``(path, layer)`` for this layer (its path is ``""``) and everything below it."""
        yield path, self
        for name, child in self.children():
            yield from child.walk(join(path, name))

    def at(self, path: str) -> Any:
        """The layer at ``path``, as :meth:`walk` names it. Raises RangeError, which lists what is there."""
        if not isinstance(path, str):
            raise DTypeError(f"a path is {path!r} ({type(path).__name__}), expected a string: 'stage1.0'")
        layer, passed, rest = self, "", path
        while rest:
            children = dict(layer.children())
            name = next((name for name in children if f"{rest}.".startswith(f"{name}.")), None)
            if name is None:
                where = f"{passed or 'the model'} ({type(layer).__name__})"
                found = ", ".join(children) or "no layers"
                raise RangeError(f"no layer at {path!r}: {where} holds {found}, not {rest.partition('.')[0]!r}")
            layer, passed, rest = children[name], join(passed, name), rest[len(name) + 1 :]
        return layer

    def tensors(self) -> Iterator[tuple[str, Buffer]]:
        """Yield ``(path, Param or Buffer)``; what is shared between layers comes once."""
        seen = set()
        for path, layer in self.walk():
            for name, value in held(layer, Buffer):
                if id(value) not in seen:
                    seen.add(id(value))
                    yield join(path, name), value

    def params(self) -> Iterator[tuple[str, Param]]:
        """Yield ``(path, Param)`` for everything that is trained."""
        return ((path, t) for path, t in self.tensors() if isinstance(t, Param))

    def generators(self) -> Iterator[tuple[str, np.random.Generator]]:
        """Yield ``(path, numpy Generator)`` for every source of randomness (dropout)."""
        for path, layer in self.walk():
            for name, value in held(layer, np.random.Generator):
                yield join(path, name), value

    def zero_grads(self) -> None:
        """Set the gradient of every parameter to zero."""
        for _, part in held(self, (Param, Layer)):  # at every step of training: one look at each layer
            if isinstance(part, Param):
                part.grad[...] = 0
            else:
                part.zero_grads()

    def freeze(self, frozen: bool = True, *, statistics: bool = False) -> Self:
        """Spare every parameter its gradient (``freeze(False)`` undoes it); return self.

        statistics: with True also the running statistics of batch norms, which training then uses and does not move
        """
        for _, p in self.params():
            p.frozen = frozen
        for _, layer in self.walk() if statistics else ():
            if hasattr(layer, "statistics"):
                vars(layer).pop("statistics", None)
                vars(layer).update({"statistics": "running"} if frozen else {})
        return self

    def to(self, *, device: str | None = None, dtype: DType | None = None) -> Self:
        """Move every parameter and buffer to ``device`` ("cpu", "cuda", "cuda:1") and ``dtype``; return self."""
        if dtype is not None and np.dtype(dtype) not in FLOATS:
            raise DTypeError(f"dtype is {np.dtype(dtype)}, expected float32 or float64", type(self).__name__)
        for _, t in self.tensors():
            t.data = _convert(t.data, device, dtype)
            if isinstance(t, Param):
                t.grad = _convert(t.grad, device, dtype)
        return self

    def __repr__(self):
        lines = [f"{type(self).__name__}({self.describe()})"]
        for name, child in self.children():
            first, *rest = repr(child).split("\n")
            lines += [f"  {name}: {first}", *(f"  {line}" for line in rest)]
        return "\n".join(lines)

    def __deepcopy__(self, memo):
        twin = memo[id(self)] = object.__new__(type(self))
        for name, value in vars(self).items():
            try:
                vars(twin)[name] = value if isinstance(value, ModuleType) else copy.deepcopy(value, memo)
            except TypeError as error:
                raise StateError(
                    f"the attribute {name} holds a {type(value).__name__} that cannot be copied ({error}), as checks "
                    "and traces do with a layer: keep it outside of the layer",
                    type(self).__name__,
                ) from error
        return twin

    def describe(self) -> str:
        """The settings of this layer, as they stand between the parentheses of its ``repr``."""
        settings = {k: v for k, v in vars(self).items() if isinstance(v, (int, float, str, tuple))}
        return ", ".join(f"{k}={v!r}" for k, v in settings.items() if not k.startswith("_"))


class Fork(Layer):
    """A layer whose gradient is a sum of terms with names.

        dx = sum_k terms(dy)[k]

    A subclass writes ``forward`` and ``terms``; the order of the terms is the order of the sum.
    """

    def terms(self, dy: Array, cache: Any) -> dict[str, Array]:
        """Return ``{name: term}``; the terms have the shape of x and add up to dx."""
        raise NotImplementedError(f"{type(self).__name__} does not define terms")

    def shortcut_term(self, dy: Array, cache: Any) -> Array:
        """The term "shortcut" alone, zeros where there is none. A fork overrides it to spare itself the branch."""
        terms = self.terms(dy, cache)
        return terms["shortcut"] if "shortcut" in terms else 0 * next(iter(terms.values()))

    def backward(self, dy: Array, cache: Any) -> Array:
        first, *rest = self.terms(dy, cache).values()
        return sum(rest, start=first)


def require_layer(parent, name, layer):
    """Raise unless ``layer`` is a layer."""
    if not isinstance(layer, Layer):
        raise DTypeError(
            f"{name} is {layer!r}, expected a Layer: pass an instance such as ReLU(), with parentheses, "
            "and the layers of a list as Sequential(*layers)",
            type(parent).__name__,
        )


def require_named(parent, layers):
    """Raise unless the values of the dict ``layers`` are layers whose names can be parts of a path."""
    for name, layer in layers.items():
        require_layer(parent, name, layer)
        if not name or "." in name:
            raise RangeError(
                f"a layer is called {name!r}, expected a name that is not empty and has no dot, which joins the names "
                "of a path: rename it",
                type(parent).__name__,
            )


@contextmanager
def inside(name):
    """Put ``name`` in front of the path of any error of minires raised in the block."""
    try:
        yield
    except MiniresError as error:
        raise error.within(name) from error.__cause__


def _convert(array, device, dtype):
    if dtype is not None and array.dtype.kind in "fc":  # labels stay integers
        array = array.astype(dtype)
    return array if device is None else to_device(array, device)
