"""Everything that a layer promises, as one call: ``check_layer(make, x)``."""

import copy
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .backend import Array, device_of, to_device, to_numpy
from .errors import ContractError
from .gradcheck import gradcheck
from .gradcheck.probe import rms, stream
from .layers.base import Layer
from .layers.checks import as_floats

ROUNDING = 1e-11  # relative differences that a change of memory layout may cause in float64


@dataclass(frozen=True)
class ContractReport:
    """What :func:`check_layer` found: the reports of its gradient checks, and whether backward reads x.

    Where ``reads_x``, the cache refers to x itself: to write over x before backward would change the gradients.
    """

    layer: str
    gradients: tuple
    reads_x: bool

    @property
    def worst_error(self) -> float:
        return max(report.worst_error for report in self.gradients)

    def __str__(self):
        reads = "; its backward reads x" if self.reads_x else ""
        return f"{self.layer}: keeps the contract, worst relative error of a gradient {self.worst_error:.1e}{reads}"


def check_layer(make: Callable[[], Layer], x: Array, *, method: str = "complex", seed: int = 0) -> ContractReport:
    """Raise :class:`~minires.errors.ContractError` unless the layers that ``make()`` returns keep the contract at x.

    make: a function without arguments that returns a fresh layer   x: an input, float32 or float64, generic
    method: "complex", "central" for a forward that takes no complex numbers, or "auto", which finds out

    In training and in evaluation:

    * forward returns (y, cache), y finite; y and dx have the dtype and device of x, dx its shape; x, dy and every
      parameter stay as they are; evaluation changes nothing at all, training only buffers and random states
    * backward adds to each gradient, is linear in dy, and may be called again with the same cache
    * the memory layout of x and dy does not matter: transposed, reversed, strided, byte-swapped, read-only
    * the cache is returned, not kept: other forwards in between do not disturb a backward
    * the gradients of x and of every parameter are right (:func:`~minires.gradcheck.gradcheck`), also where x is
      rounded, so that it has ties and sits on kinks (unless forward is not finite there), and in float32

    >>> import numpy as np
    >>> from minires.layers import ReLU
    >>> print(check_layer(ReLU, np.random.default_rng(0).standard_normal((2, 3))))  # doctest: +ELLIPSIS
    ReLU: keeps the contract, worst relative error of a gradient ...
    """
    x = as_floats(x)
    rng = stream(seed, "contract")
    x64 = x.astype(np.float64)
    layer = _settled(make, x64, rng)
    kind = type(layer).__name__
    inputs = [x64, *_rounded(layer, x64)]
    reports, reads_x = [], False
    for train in (False, True):
        try:
            reads_x |= _Contract(make, x64, train, rng).check()
            reports += [gradcheck(layer, each, train=train, method=method, seed=seed) for each in inputs]
            gradcheck(layer, x64.astype(np.float32), train=train, method=method, directions=1, seed=seed)
        except ContractError as error:
            error.layer = error.layer or kind
            raise
    return ContractReport(kind, tuple(reports), reads_x)


def _settled(make, x, rng):
    """A fresh layer in float64 whose buffers have left their initial values by one training forward."""
    layer = make().to(dtype=np.float64)
    layer.forward(_shuffled(x, rng), train=True)
    return layer


def _shuffled(x, rng):
    """Another input, of the same values: they lie where forward is defined (a logarithm takes no negative ones)."""
    return to_device(rng.permutation(to_numpy(x).ravel()).reshape(x.shape), device_of(x))


def _rounded(layer, x):
    """Yield x rounded to a few values, if forward is finite there."""
    values = to_numpy(x)
    rounded = to_device(np.round(3 * values / rms(values)), device_of(x))
    with np.errstate(all="ignore"):
        y = copy.deepcopy(layer)(rounded)
    if np.isfinite(to_numpy(y)).all():
        yield rounded


class _Contract:
    """The promises other than the gradients, one method each; ``check`` calls them all, and returns ``reads_x``."""

    def __init__(self, make, x, train, rng):
        self.make, self.x, self.train, self.rng = make, x, train, rng
        self.layer = _settled(make, x, rng)
        self.start = copy.deepcopy(self.layer)  # for forwards that must draw the same random numbers
        self.y, self.cache = self._forward_alone()
        self.dy = self._draw(self.y)

    def check(self):
        dx = self._backward_alone()
        self._accumulates_and_is_linear(dx)
        self._takes_any_layout(dx)
        self._is_reentrant(dx)
        self._inference_is_inert()
        return self._gradients(overwrite=True) != self._gradients(overwrite=False)

    def _forward_alone(self):
        """forward returns (y, cache) like x, and changes neither x nor the parameters nor the layer."""
        layer, x = self.layer, self.x
        before, attributes, tensors = _bytes(x), _attributes(layer), _values(layer, buffers=not self.train)
        result = layer.forward(x, self.train)
        self._require(isinstance(result, tuple) and len(result) == 2, "forward returns (y, cache)", type(result))
        y, cache = result
        self._require(_is_array(y, x), "forward returns an array like x", type(y))
        self._require(y.dtype == x.dtype, "y has the dtype of x", f"{y.dtype} for {x.dtype}")
        self._require(np.isfinite(to_numpy(y)).all(), "y is finite", "NaN or infinity: check at another x")
        self._require(_bytes(x) == before, "forward leaves x alone", "x has changed")
        self._require(_attributes(layer) == attributes, "the cache is returned, not kept", "attributes have changed")
        changed = _changed(tensors, _values(layer, buffers=not self.train))
        self._require(not changed, f"forward(train={self.train}) leaves {changed} alone", "it has changed")
        return y, cache

    def _backward_alone(self):
        """backward returns dx like x, and changes nothing but gradients."""
        x, dy, tensors = _bytes(self.x), _bytes(self.dy), _values(self.layer, buffers=True)
        attributes = _attributes(self.layer)
        self.layer.zero_grads()
        dx = self.layer.backward(self.dy, self.cache)
        self._require(_is_array(dx, self.x), "backward returns an array like x", type(dx))
        self._require(np.isfinite(to_numpy(dx)).all(), "dx is finite where y is", "NaN or infinity")
        self._require(dx.shape == self.x.shape, "dx has the shape of x", f"{dx.shape} for {self.x.shape}")
        self._require(dx.dtype == self.x.dtype, "dx has the dtype of x", f"{dx.dtype} for {self.x.dtype}")
        self._require((_bytes(self.x), _bytes(self.dy)) == (x, dy), "backward leaves x and dy alone", "one has changed")
        self._require(_attributes(self.layer) == attributes, "backward keeps nothing", "attributes have changed")
        changed = _changed(tensors, _values(self.layer, buffers=True))
        self._require(not changed, f"backward leaves the value of {changed} alone", "it has changed")
        return to_numpy(dx).copy()

    def _accumulates_and_is_linear(self, dx):
        once = self._grads()
        again = self.layer.backward(self.dy, self.cache)
        self._same(again, dx, "the same cache and dy give the same dx again")
        for name, grad in self._grads().items():
            self._same(grad, 2 * once[name], f"backward adds to {name}.grad")
        other = self._draw(self.dy)
        dx_other = to_numpy(self.layer.backward(other, self.cache))
        mixed = self.layer.backward(2 * self.dy + other, self.cache)
        self._same(mixed, 2 * dx + dx_other, "backward is linear in dy")

    def _takes_any_layout(self, dx):
        y = to_numpy(self.y)
        for words, layout in LAYOUTS.items():
            twin = copy.deepcopy(self.start)
            x, dy = layout(self.x), layout(self.dy)
            try:
                y_again, cache = twin.forward(x, self.train)
                dx_again = twin.backward(dy, cache)
            except (TypeError, ValueError) as error:
                self._require(False, f"x and dy may be {words}", f"raised {error!r}")
            self._same(y_again, y, f"forward takes x {words}")
            self._same(dx_again, dx, f"backward takes dy {words}")

    def _is_reentrant(self, dx):
        twin = copy.deepcopy(self.start)
        _, cache = twin.forward(self.x, self.train)
        for train in (True, False):
            twin.forward(_shuffled(self.x, self.rng), train)
        self._same(twin.backward(self.dy, cache), dx, "other forwards between forward and backward do not disturb it")

    def _inference_is_inert(self):
        layer = self.layer
        attributes, tensors, states = _attributes(layer), _values(layer, buffers=True), _random_states(layer)
        y = layer(self.x)
        self._same(layer(self.x), to_numpy(y), "layer(x) gives the same again")
        self._same(layer.forward(self.x, False)[0], to_numpy(y), "layer(x) is forward(x, train=False)")
        changed = _changed(tensors, _values(layer, buffers=True))
        self._require(not changed, f"inference leaves {changed} alone", "it has changed")
        inert = _random_states(layer) == states and _attributes(layer) == attributes
        self._require(inert, "inference changes nothing", "a random state or an attribute has changed")

    def _gradients(self, overwrite):
        """The bytes of every gradient; with ``overwrite`` x holds other values when backward begins."""
        twin, x = copy.deepcopy(self.start), self.x.copy()
        _, cache = twin.forward(x, self.train)
        if overwrite:
            x[...] = _shuffled(x, self.rng)
        twin.zero_grads()
        return [_bytes(twin.backward(self.dy, cache)), *(_bytes(p.grad) for _, p in twin.params())]

    def _draw(self, like):
        return to_device(self.rng.standard_normal(like.shape), device_of(like))

    def _grads(self):
        return {name: to_numpy(p.grad).copy() for name, p in self.layer.params()}

    def _same(self, found, expected, promise):
        found = to_numpy(found)
        self._require(found.shape == expected.shape, promise, f"shapes {found.shape} and {expected.shape}")
        scale = max(abs(expected).max(), np.finfo(float).tiny)
        difference = abs(found - expected).max() / scale
        self._require(difference <= ROUNDING, promise, f"they differ by {difference:.1e} of the largest entry")

    def _require(self, kept, promise, found):
        if not kept:
            raise ContractError(f"broken promise (train={self.train}): {promise}; found: {found}")


def _is_array(found, x):
    return isinstance(found, (type(x), np.generic))


def _bytes(array):
    return to_numpy(array).tobytes()


def _values(layer, buffers):
    """{name: bytes} of the parameters, and of the buffers if asked."""
    chosen = layer.tensors() if buffers else layer.params()
    return {name: _bytes(t.data) for name, t in chosen}


def _changed(before, after):
    return ", ".join(name for name in before if before[name] != after[name])


def _attributes(layer):
    """The identity of everything that the layer and its parts hold: a kept cache would show here."""
    return {(path, key): id(value) for path, part in layer.walk() for key, value in vars(part).items()}


def _random_states(layer):
    return {name: rng.bit_generator.state for name, rng in layer.generators()}


def _read_only(a):
    if isinstance(a, np.ndarray):
        a = a.copy()
        a.flags.writeable = False
    return a


LAYOUTS = {
    "reversed": lambda a: a[..., ::-1].copy()[..., ::-1] if a.ndim else a,
    "strided": lambda a: a.repeat(2, axis=-1)[..., ::2] if a.ndim else a,
    "transposed": lambda a: a.T.copy().T,
    "swapped": lambda a: a.astype(a.dtype.newbyteorder()) if isinstance(a, np.ndarray) else a,
    "read-only": _read_only,
}
