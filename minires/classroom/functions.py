"""The functions of a student as a layer: gradcheck, check_layer, trace and the planted mistakes then apply to them."""

import copy
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..backend import Array
from ..errors import ContractError, DTypeError, GradientError
from ..layers.base import Buffer, Layer, Param
from ..losses import Objective

TERMS = "shortcut", "branch"  # of dx, in the order in which a student returns them
POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class FunctionLayer(Layer):
    """``forward(x, ...) -> (y, cache)`` and ``backward(dy, cache) -> dx, dgamma, ...`` on the arrays of a layer.

    like: a layer, which is copied: its parameters and buffers are given to the functions as arrays, its children as
        layers, its settings as they are (two equal ones, padding = (1, 1), as one number)
    takes: names of what forward takes after x, in order; "train" is the mode. By default the names of its own
        arguments; those that ``like`` does not know get the arrays and children that are left, in order
    terms: ``terms(dy, cache, ...) -> shortcut, branch``, the parts of dx, for a residual block
    same_dtype: whether results in another dtype than x are refused; otherwise they are converted

    backward gets the children among them after the cache. It returns dx alone, or a tuple of dx and the gradients of
    the parameters among them, in order, each in the shape of its array: they are added to ``grad`` here. For a loss,
    ``like`` is an :class:`~minires.losses.Objective`, the functions are ``forward(x, targets) -> (loss, cache)`` and
    ``backward(cache) -> dx``.

    Raises :class:`~minires.errors.ContractError` for results of another kind or number, and
    :class:`~minires.errors.GradientError` for a gradient of another shape, which ``+=`` would spread without a word.

    >>> from minires.gradcheck import gradcheck
    >>> from minires.layers import Linear
    >>> def forward(x, weight, bias):
    ...     return x @ weight.T + bias, (x, weight)
    >>> def backward(dy, cache):
    ...     x, weight = cache
    ...     return dy @ weight, dy.T @ x, dy.sum(axis=0)
    >>> layer = FunctionLayer(forward, backward, like=Linear(3, 2, rng=0))
    >>> gradcheck(layer, np.random.default_rng(0).standard_normal((4, 3)), method="auto").worst_error < 1e-12
    True
    """

    def __init__(
        self,
        forward: Callable[..., Any],
        backward: Callable[..., Any],
        *,
        like: Layer,
        takes: Sequence[str] | None = None,
        same_dtype: bool = False,
        terms: Callable[..., Any] | None = None,
    ) -> None:
        vars(self).update(vars(copy.deepcopy(like)))
        self._forward, self._backward = forward, backward
        self._terms: Any = terms
        self._loss, self._same_dtype = isinstance(like, Objective), same_dtype
        self._takes = _names_of(forward, self) if takes is None else tuple(takes)
        for name in self._takes:
            if name != "train" and name not in vars(self):
                raise DTypeError(
                    f"takes has {name!r}, {type(like).__name__} knows {', '.join(_known(self))}: name one of these",
                    _name(forward),
                )
        children = [getattr(self, name) for name in self._takes if isinstance(getattr(self, name, None), Layer)]
        self._children = children[: max(0, _most(backward) - 2)]
        self._trained = [name for name in self._takes if isinstance(getattr(self, name, None), Param)]

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Any]:
        result = self._forward(x, *(train if name == "train" else self._given(name) for name in self._takes))
        name = _name(self._forward)
        if not isinstance(result, tuple) or len(result) != 2:
            found = f"a tuple of {len(result)}" if isinstance(result, tuple) else _kind(result)
            raise ContractError(f"returns {found}, expected two results: return y, cache", name)
        y, cache = result
        if not _is_floats(y):
            raise ContractError(f"returns y as {_kind(y)}, expected an array of floats: compute y from x", name)
        return self._converted(np.asarray(y), x, "y", name), (cache, x.shape, x.dtype)

    def backward(self, dy: Array, cache: Any) -> Array:
        _, shape, dtype = cache
        results = self.results(dy, cache)
        expected = [shape, *(getattr(self, name).data.shape for name in self._trained)]
        self._require_gradients(results, expected)
        like_x = np.empty(0, dtype)
        dx, *grads = (self._converted(g, like_x, name, _name(self._backward)) for name, g in results.items())
        for name, grad in zip(self._trained, grads):
            if not getattr(self, name).frozen:
                getattr(self, name).add_grad(grad)
        return dx

    def results(self, dy: Array, cache: Any) -> dict[str, Any]:
        """``{"dx": dx, "dgamma": ...}``, whatever backward returned; ContractError where their number is another."""
        if self._loss:
            found = self._backward(cache[0])
            found = dy * found if _is_floats(found) else found
        else:
            found = self._backward(dy, cache[0], *self._children)
        names = ["dx", *(f"d{name}" for name in self._trained)]
        remedy = f"return {', '.join(names)}"
        if found is None:
            raise ContractError(f"returns None, expected {_several(names)}: {remedy}", _name(self._backward))
        if len(names) == 1:
            if isinstance(found, (tuple, list)):
                raise ContractError(f"returns {_kind(found)}, expected dx alone: {remedy}", _name(self._backward))
            return {"dx": found}
        if not isinstance(found, (tuple, list)) or len(found) != len(names):
            raise ContractError(f"returns {_kind(found)}, expected {_several(names)}: {remedy}", _name(self._backward))
        return dict(zip(names, found))

    def summands(self, dy: Array, cache: Any) -> dict[str, Any]:
        """``{"shortcut": ..., "branch": ...}``, whatever ``terms`` returned; ContractError where they are not two."""
        found = self._terms(dy, cache[0], *self._children)
        if not isinstance(found, (tuple, list)) or len(found) != len(TERMS):
            raise ContractError(
                f"returns {_kind(found)}, expected {_several(TERMS)}: return {', '.join(TERMS)}", _name(self._terms)
            )
        return dict(zip(TERMS, found))

    def _given(self, name):
        value = getattr(self, name)
        if isinstance(value, Buffer):
            return value.data
        return value[0] if isinstance(value, tuple) and len(set(value)) == 1 else value

    def _require_gradients(self, results, shapes):
        """Refuse what is no array of floats in the shape of its array, and say so where two are exchanged."""
        order, backward = ", ".join(results), _name(self._backward)
        for (name, grad), shape in zip(results.items(), shapes):
            array = name[1:]
            if not _is_floats(grad):
                raise GradientError(
                    f"returns {name} as {_kind(grad)}, expected an array of floats of shape {shape}, that of {array}: "
                    f"return {order}, zeros where nothing depends on {array}",
                    backward,
                )
            if np.shape(grad) == shape:
                continue
            remedy = "sum dy over the axes that it has and the array has not, and over no others"
            for other, at in zip(results, shapes):
                if at == np.shape(grad) and np.shape(results[other]) == shape:
                    remedy = f"that is the shape of {other[1:]}, so {name} and {other} are exchanged: return {order}"
            raise GradientError(
                f"returns {name} with the shape {np.shape(grad)}, {array} has {shape}: {remedy}", backward
            )

    def _converted(self, found, x, what, function):
        """``found`` in the dtype of x; a complex x stays out of it, since a lost imaginary part must show."""
        if found.dtype == x.dtype or "c" in (found.dtype.kind, x.dtype.kind):
            return np.asarray(found)
        if self._same_dtype:
            raise ContractError(
                f"returns {what} as {found.dtype} for an x of {x.dtype}, expected {x.dtype}: "
                f"stay in the dtype of x, as np.zeros(shape, x.dtype) does",
                function,
            )
        return np.asarray(found, x.dtype)

    def describe(self) -> str:
        return f"{_name(self._forward)}, {_name(self._backward)}"


def _names_of(forward, layer):
    """The arguments of ``forward`` after x, those that ``layer`` does not know replaced by what it has left."""
    arguments = [a for a in list(inspect.signature(forward).parameters.values())[1:] if a.kind in POSITIONAL]
    known = {*_known(layer), "train"}
    wanted = [a.name for a in arguments if a.default is a.empty or a.name in known]
    left = iter([name for name in _held(layer) if name not in wanted])
    takes = [name if name in known else next(left, None) for name in wanted]
    if None in takes:
        raise DTypeError(
            f"takes {wanted[takes.index(None)]}, which the layer has not: its arrays and layers are "
            f"{', '.join(_held(layer)) or 'none'}, its settings {', '.join(_settings(layer)) or 'none'}: "
            "name the arguments so, or say takes=(...)",
            _name(forward),
        )
    return tuple(takes)


def _held(layer):
    return [name for name, value in vars(layer).items() if isinstance(value, (Buffer, Layer))]


def _settings(layer):
    others = vars(layer).keys() - set(_held(layer))
    return [name for name in vars(layer) if name in others and not name.startswith("_")]


def _known(layer):
    return [*_held(layer), *_settings(layer)]


def _most(function):
    """How many arguments ``function`` takes by position; very many where it does not say."""
    try:
        arguments = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return 99
    if any(a.kind is a.VAR_POSITIONAL for a in arguments):
        return 99
    return sum(a.kind in POSITIONAL for a in arguments)


def _is_floats(value):
    return isinstance(value, (np.ndarray, np.floating, np.complexfloating)) and value.dtype.kind in "fc"


def _kind(value):
    if isinstance(value, (tuple, list)):
        return f"a {type(value).__name__} of {len(value)}"
    if isinstance(value, (np.ndarray, np.generic)):
        return f"{value.dtype} of shape {value.shape}"
    return "None" if value is None else f"a {type(value).__name__}"


def _several(names):
    return "dx alone" if len(names) == 1 else f"a tuple of {len(names)}"


def _name(function):
    return getattr(function, "__name__", type(function).__name__)
