"""``minires.compile``: a layer that computes what another layer defines."""

import copy
import os
import threading

import numpy as np

from ..errors import DTypeError, MiniresError, RangeError, StateError
from ..layers import Layer
from ..layers.checks import is_integer
from .cpu.describe import table
from .cpu.plan import Plan
from .cpu.values import Unsuited


def compile(model, *, threads=None, input_gradient=True, frozen=False):
    """Return a :class:`Compiled`: a layer with the parameters of ``model`` that computes the same, faster.

    threads: how many threads compute, by default one for each core that this process may use; the results are the same
    for any number, bit by bit   input_gradient: with False ``backward`` returns None for dx, and spares itself the
    gradient of the first layer   frozen: with True the weights are copied and prepared once, for inference alone

    >>> import numpy as np
    >>> import minires
    >>> model = minires.models.build("resnet20", rng=0)
    >>> fast = minires.compile(model)
    >>> x = np.random.default_rng(0).standard_normal((2, 3, 32, 32)).astype(np.float32)
    >>> bool(abs(fast(x) - model(x)).max() < 1e-4)
    True
    """
    if not isinstance(model, Layer):
        raise DTypeError(f"model is {model!r}, expected a Layer: build one with minires.models.build", "compile")
    if threads is None:
        threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not is_integer(threads) or threads < 1:
        raise RangeError(f"threads is {threads!r}, expected an integer of at least 1", "compile")
    if isinstance(model, Compiled):
        model = model.definition
    return Compiled(copy.deepcopy(model) if frozen else model, int(threads), bool(input_gradient), bool(frozen))


class Compiled(Layer):
    """The layer ``definition``, computed by a plan for each shape of input; made by :func:`compile`.

    It has the same parameters, buffers and paths, so optimisers, checkpoints and weight files do not see a difference,
    and many threads may use it at once. What the plans do not cover (complex numbers, arrays on a GPU, wrong input)
    runs through the definition. Change the tree of layers by :meth:`set_child`, or compile again.
    """

    def __init__(self, definition, threads, input_gradient, frozen):
        self.definition, self.threads = definition, threads
        self.input_gradient, self.frozen = input_gradient, frozen
        self._plans, self._lock = {}, threading.Lock()
        self._tensors = [t for _, t in definition.tensors()]

    def forward(self, x, train=False):
        if self.frozen:
            raise StateError("frozen=True serves inference alone: call fast(x), or compile without it", "Compiled")
        plan = self._plan(x, "train" if train else "eval")
        if plan is None:
            y, cache = self.definition.forward(x, train)
            return y, _Cache(None, cache, y.shape)
        y, frame = plan.forward(_native(x), self.threads)
        if train:
            plan.track(frame, self._lock)
        return y, _Cache(plan, frame, y.shape)

    def backward(self, dy, cache):
        plan = cache.plan
        if plan is None:
            dx = self.definition.backward(dy, cache.content)
        elif _is_plain(dy) and (dy.shape, dy.dtype.newbyteorder("=")) == (cache.shape, plan.dtype):
            dx = plan.backward(_native(dy), cache.content, self.threads, self._lock)
        else:
            raise self._refusal(dy, plan)
        return dx if self.input_gradient else None

    def __call__(self, x):
        plan = self._plan(x, "infer")
        if plan is None:
            return self.definition(x)
        y, frame = plan.forward(_native(x), self.threads)
        plan.release(frame)
        return y

    def children(self):
        return self.definition.children()

    def set_child(self, name, layer):
        self.definition.set_child(name, layer)
        self.__init__(self.definition, self.threads, self.input_gradient, self.frozen)

    def walk(self, path=""):
        return self.definition.walk(path)

    def describe(self):
        """The plans made so far as tables, a line for each operation: layer, algorithm, work, time."""
        plans = [plan for plan in self._plans.values() if plan is not None]
        if not plans:
            return "no plan yet: one is made for each shape of input, by the first call with it"
        return "\n\n".join(map(table, plans))

    def __repr__(self):
        inner = repr(self.definition).replace("\n", "\n  ")
        return f"Compiled(threads={self.threads})\n  {inner}"

    def __deepcopy__(self, memo):
        twin = copy.deepcopy(self.definition, memo)
        return Compiled(twin, self.threads, self.input_gradient, self.frozen)

    def _refusal(self, dy, plan):
        """The error of the definition for a dy that does not fit: it names the layer that gets dy first."""
        twin, x = copy.deepcopy(self.definition), np.zeros((plan.images, *plan.input.shape), plan.dtype)
        try:
            twin.backward(dy, twin.forward(x)[1])
        except MiniresError as error:
            return error
        found = getattr(dy, "dtype", type(dy).__name__)  # some layers take another dtype, such as a ReLU
        expected = f"expected {plan.dtype} as the output of forward: dy.astype(np.{plan.dtype})"
        return DTypeError(f"dy is {found}, {expected}", type(self.definition).__name__)

    def _plan(self, x, mode):
        """The plan for x; None where the definition must do it."""
        if not _is_plain(x) or x.dtype.newbyteorder("=") not in (np.float32, np.float64) or not x.size:
            return None
        dtype = x.dtype.newbyteorder("=")
        if any(t.data.dtype != dtype and t.data.dtype.kind in "fc" for t in self._tensors):
            return None
        key = x.shape, dtype, mode
        if key not in self._plans:
            try:
                plan = Plan(self.definition, x.shape, dtype, mode, self.input_gradient, self.frozen)
            except Unsuited:
                plan = None
            self._plans.setdefault(key, plan)
        return self._plans[key]


class _Cache:
    """What one forward leaves for backward; its memory goes back to the plan when nobody holds it any more."""

    def __init__(self, plan, content, shape):
        self.plan, self.content, self.shape = plan, content, shape

    def __del__(self):
        if self.plan is not None:
            self.plan.release(self.content)


def _is_plain(x):
    return isinstance(x, np.ndarray) and not isinstance(x, np.ma.MaskedArray)


def _native(x):
    x = np.asarray(x)  # a matrix or a map of a file
    return x if x.dtype.isnative else x.astype(x.dtype.newbyteorder("="))
