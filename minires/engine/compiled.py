"""``minires.compile``: a layer that computes what another layer defines."""

import copy
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..backend import Array, xp_of
from ..errors import DTypeError, MiniresError, RangeError, StateError
from ..layers import Layer, Param
from ..layers.checks import is_integer
from .devices import PRECISIONS, executor, is_plain, native, unsuited
from .plan import Plan
from .quota import cores
from .unchanged import Watch
from .values import Unsuited

KEPT = 8  # plans: training and evaluation, whole batches and the last one, at two sizes of images


def compile(
    model: Layer,
    *,
    threads: int | None = None,
    input_gradient: bool = True,
    frozen: bool = False,
    precision: str = "float32",
) -> "Compiled":
    """Return a :class:`Compiled`: a layer with the parameters of ``model`` that computes the same, faster.

    threads: how many threads compute, by default one for each core that this process may use (in a container its
    quota); the results are the same for any number, bit by bit. On Linux helper processes do the share of all but the
    first, once a network has run for a second (``describe`` says so)   input_gradient: with False ``backward`` returns
    None for dx, and spares itself the gradient of the first layer   frozen: with True the weights are copied and
    prepared once, for inference alone   precision: of products on a GPU, "float32", "tf32" (about three digits) or
    "bf16" (less, and half the memory of activations); parameters, statistics and sums stay float32

    Where numbers are not finite the two differ: a convolution by tiles makes NaN of all pixels of a tile that holds an
    infinity, and closed units stop no infinite gradient. Look for the first such value in the definition; ``minires
    step`` and :class:`minires.trace.Stepper` do.

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
        threads = cores()
    if not is_integer(threads) or threads < 1:
        raise RangeError(f"threads is {threads!r}, expected an integer of at least 1", "compile")
    if precision not in PRECISIONS:
        raise RangeError(f"precision is {precision!r}, expected one of {', '.join(PRECISIONS)}", "compile")
    if isinstance(model, Compiled):
        model = model.definition
    model = copy.deepcopy(model) if frozen else model
    return Compiled(model, int(threads), bool(input_gradient), bool(frozen), precision)


class Compiled(Layer):
    """The layer ``definition``, computed by a plan for each shape of input; made by :func:`compile`.

    It has the same parameters, buffers and paths, so optimisers, checkpoints and weight files do not see a difference,
    and many threads may use it at once. What the plans do not cover (complex numbers, other floats than float32 on a
    GPU, wrong input) runs through the definition. Layers, settings and methods may change between two runs
    (``set_child``, a stride, a hook, a patched class): new plans are made then, in about a millisecond. Backward
    belongs to the network whose forward ran. The last 8 plans are kept; a copy, or what pickle makes of one, begins
    with none. Arrays of a GPU go to kernels of CUDA, which are compiled when they first run.
    """

    def __init__(
        self, definition: Layer, threads: int, input_gradient: bool, frozen: bool, precision: str = "float32"
    ) -> None:
        self.definition, self.threads, self.precision = definition, threads, precision
        self.input_gradient, self.frozen = input_gradient, frozen
        self._executors, self._watch = OrderedDict(), None  # of a plan, or why there is none
        self._lock, self._choosing = threading.Lock(), threading.Lock()

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Any]:
        if self.frozen:
            raise StateError("frozen=True serves inference alone: call fast(x), or compile without it", "Compiled")
        y, run, frame = self._run(x, "train" if train else "eval")
        if run is None:
            y, cache = self.definition.forward(x, train)
            return y, _Cache(None, cache, y.shape)
        if train:
            run.track(frame)
        return y, _Cache(run, frame, y.shape)

    def backward(self, dy: Array, cache: Any, ready: Callable[[list[Param]], Any] | None = None) -> Any:
        """As every layer. ready: called with parameters whose gradients are whole, while backward goes on."""
        run = cache.executor
        if run is None:
            dx = self.definition.backward(dy, cache.content)
        elif is_plain(dy) and isinstance(dy, run.kind) and _form(dy) == (cache.shape, run.plan.dtype):
            dx = run.backward(native(dy), cache.content, ready)
        else:
            raise self._refusal(dy, run.plan)
        return dx if self.input_gradient else None

    def __call__(self, x: Array) -> Array:
        y, run, frame = self._run(x, "infer")
        if run is None:
            return self.definition(x)
        run.release(frame)
        return y

    def children(self) -> Iterator[tuple[str, Layer]]:
        return self.definition.children()

    def set_child(self, name: str, layer: Layer) -> None:
        self.definition.set_child(name, layer)

    def walk(self, path: str = "") -> Iterator[tuple[str, Layer]]:
        return self.definition.walk(path)

    def describe(self) -> str:
        """The last plans as tables, a line for each operation (layer, algorithm, work, time), or why there is none."""
        with self._choosing:
            runs = list(self._executors.items())
        parts = [_reason(key, run) if isinstance(run, str) else run.describe() for key, run in runs]
        return "\n\n".join(parts) or "no plan yet: one is made for each shape of input, by the first call with it"

    def __repr__(self):
        inner = repr(self.definition).replace("\n", "\n  ")
        return f"Compiled(threads={self.threads})\n  {inner}"

    def __reduce__(self):  # plans are not copied, and layers are copied in their way
        return Compiled, (self.definition, self.threads, self.input_gradient, self.frozen, self.precision)

    def __deepcopy__(self, memo):
        twin = copy.deepcopy(self.definition, memo)
        return Compiled(twin, self.threads, self.input_gradient, self.frozen, self.precision)

    def _refusal(self, dy, plan):
        """The error of the definition for a dy that does not fit: it names the layer that gets dy first."""
        twin = copy.deepcopy(self.definition)
        like = next((tensor.data for _, tensor in twin.tensors()), np.zeros(0))
        x = xp_of(like).zeros((plan.images, *plan.input.shape), dtype=plan.dtype)
        try:
            twin.backward(dy, twin.forward(x)[1])
        except MiniresError as error:
            return error
        found = getattr(dy, "dtype", type(dy).__name__)  # some layers take another dtype, such as a ReLU
        expected = f"expected {plan.dtype} as the output of forward: dy.astype(np.{plan.dtype})"
        return DTypeError(f"dy is {found}, {expected}", type(self.definition).__name__)

    def _run(self, x, mode):
        """(y, executor, frame) of one forward; (None, None, None) where the definition must do it."""
        run = self._executor(x, mode)
        if run is None:
            return None, None, None
        try:
            y, frame = run.forward(native(x))
        except Unsuited as reason:
            with self._choosing:
                self._executors |= {key: str(reason) for key, other in self._executors.items() if other is run}
            return None, None, None
        if self._watch.own and not self._watch.untouched(self.definition):
            with self._choosing:  # what a run changes in a layer of the user is its state, no setting
                watch = Watch(self.definition, self.frozen)
                self._watch = watch if watch.same(self._watch, own=False) else self._watch
        return y, run, frame

    def _executor(self, x, mode):
        """The executor of the plan for x; None where the definition must do it."""
        if not all(hasattr(x, name) for name in ("shape", "dtype", "size")) or not x.size:
            return None
        with self._choosing:
            if self._watch is None or not self._watch.untouched(self.definition):
                watch = Watch(self.definition, self.frozen)
                if self._watch is None or not watch.same(self._watch):
                    self._executors.clear()
                self._watch = watch
            reason = unsuited(x, self._watch.forms)
            key = (
                mode,
                x.shape,
                x.dtype.newbyteorder("="),
                type(x),
                reason,
                self.input_gradient,
                self.threads,
                self.precision,
            )
            if key not in self._executors:
                self._executors[key] = reason or self._made(x, *key[:3])
            self._executors.move_to_end(key)
            if len(self._executors) > KEPT:
                self._executors.popitem(last=False)
            run = self._executors[key]
        return None if isinstance(run, str) else run

    def _made(self, x, mode, shape, dtype):
        try:
            plan = Plan(self.definition, shape, dtype, mode, self.input_gradient)
            return executor(plan, x, self.threads, self._lock, self.frozen, self.precision)
        except Unsuited as reason:
            return str(reason)


class _Cache:
    """What one forward leaves for backward; its memory goes back to the plan when nobody holds it any more."""

    def __init__(self, executor, content, shape):
        self.executor, self.content, self.shape = executor, content, shape

    def __reduce_ex__(self, protocol):
        if self.executor is None:
            return super().__reduce_ex__(protocol)
        raise StateError(
            "a cache of the engine cannot be copied or pickled, it owns memory of its plan: pass the cache itself on, "
            "or run forward again",
            "Compiled",
        )

    def __del__(self):
        if self.executor is not None:
            self.executor.release(self.content)


def _reason(key, reason):
    """The line of :meth:`Compiled.describe` where the definition runs."""
    mode, shape, dtype, *_ = key
    return f"{mode}, {' x '.join(map(str, shape))}, {dtype}: the definition runs, because {reason}"


def _form(x):
    return x.shape, x.dtype.newbyteorder("=")
