"""Optimisers: they change ``Param.data`` in place from ``Param.grad``, by PyTorch's update rules.

The state of an optimiser is held in Buffers with paths, like that of a layer, so that a checkpoint
stores both in the same way. Frozen parameters stay as they are. No step waits for a GPU.
"""

import math
from collections.abc import Iterable, Iterator

import numpy as np

from ..backend import xp_of
from ..errors import DTypeError, RangeError, StateError
from ..layers.base import Buffer, Param
from ..layers.checks import number


class SGD:
    """Stochastic gradient descent with momentum v and weight decay w.

        g = grad + w p        v <- momentum v + g        p <- p - lr v
        Nesterov:                                        p <- p - lr (g + momentum v)

    params: pairs (path, Param), as ``model.params()`` yields them. ``decay_all=False`` spares parameters
    with one axis (batch norm's gamma and beta, biases) the weight decay. ``scalar_rate``: the learning rate of a
    parameter that is a single number (Gain, Offset) as a part of that of all others; Fixup asks for 0.1.
    Sutskever et al. 2013, "On the importance of initialization and momentum", in PyTorch's form: the
    learning rate stands outside v.
    """

    def __init__(
        self,
        params: Iterable[tuple[str, Param]],
        lr: float,
        *,
        momentum: float = 0.9,
        nesterov: bool = False,
        weight_decay: float = 0.0,
        decay_all: bool = True,
        scalar_rate: float = 1.0,
    ) -> None:
        self.params = _pairs(params)
        self.lr = _positive(self, lr=lr)
        self.momentum = _fraction(self, momentum=momentum)
        self.weight_decay = _not_negative(self, weight_decay=weight_decay)
        if nesterov and self.momentum == 0:
            raise RangeError("momentum is 0, nesterov needs more: set momentum=0.9 or nesterov=False", "SGD")
        self.nesterov = nesterov
        self.decay_all = decay_all
        self.scalar_rate = _positive(self, scalar_rate=scalar_rate)
        self.velocity = _zeros_like(self.params) if self.momentum else {}

    def __repr__(self):
        return _about(self, "lr", "momentum", "nesterov", "weight_decay", "decay_all", "scalar_rate")

    def step(self, lr: float | None = None) -> None:
        """Update every parameter once, with the learning rate ``lr`` if given, else that of the constructor.

        A schedule may end at 0: then no parameter moves.
        """
        lr = self.rate(lr)
        _check_state(self, self.velocity)
        for path, p in self.params:
            if p.frozen:
                continue
            decay, part = self.share(p)
            for x, g, v in _parts(p.data, p.grad, self.velocity[path].data if self.momentum else p.grad):
                if decay:
                    g = g + decay * x
                if self.momentum:
                    v *= self.momentum
                    v += g
                    g = g + self.momentum * v if self.nesterov else v
                x -= lr * part * g

    def rate(self, lr: float | None = None) -> float:
        """``lr``, after a look at it, or that of the constructor."""
        return self.lr if lr is None else _not_negative(self, lr=lr)

    def share(self, p: Param) -> tuple[float, float]:
        """(weight decay of ``p``, its learning rate as a part of that of the others)."""
        return _share(self, p)

    def tensors(self) -> Iterator[tuple[str, Buffer]]:
        """Yield ``(path, Buffer)`` for all that a checkpoint must hold."""
        return ((f"velocity.{path}", v) for path, v in self.velocity.items())


class AdamW:
    """Adam with decoupled weight decay w; g = grad, t counts the steps of p from 1, those while it is frozen not.

        p <- (1 - lr w) p
        m <- b1 m + (1 - b1) g                  v <- b2 v + (1 - b2) g^2
        p <- p - lr m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + eps)

    params, ``decay_all`` and ``scalar_rate``: see :class:`SGD`. Loshchilov and Hutter 2019, "Decoupled Weight Decay
    Regularization", algorithm 2, with w multiplied by lr as in PyTorch.
    """

    def __init__(
        self,
        params: Iterable[tuple[str, Param]],
        lr: float = 1e-3,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
        decay_all: bool = True,
        scalar_rate: float = 1.0,
    ) -> None:
        self.params = _pairs(params)
        self.lr = _positive(self, lr=lr)
        self.betas = tuple(_fraction(self, betas=beta) for beta in betas)
        self.eps = _positive(self, eps=eps)
        self.weight_decay = _not_negative(self, weight_decay=weight_decay)
        self.decay_all = decay_all
        self.scalar_rate = _positive(self, scalar_rate=scalar_rate)
        self.steps = Buffer(np.zeros(len(self.params), np.int64))  # on the CPU always: read at every step
        self.mean, self.square = _zeros_like(self.params), _zeros_like(self.params)

    def __repr__(self):
        return _about(self, "lr", "betas", "eps", "weight_decay", "decay_all", "scalar_rate")

    def step(self, lr: float | None = None) -> None:
        """Update every parameter once, with the learning rate ``lr`` if given, else that of the constructor.

        A schedule may end at 0: then no parameter moves.
        """
        lr = self.rate(lr)
        _check_state(self, self.mean)
        b1, b2 = self.betas
        for k, (path, p) in enumerate(self.params):
            if p.frozen:
                continue
            self.steps.data[k] += 1
            t = int(self.steps.data[k])
            decay, part = self.share(p)
            own = lr * part
            rate, root = own / (1 - b1**t), math.sqrt(1 - b2**t)
            for x, g, m, v in _parts(p.data, p.grad, self.mean[path].data, self.square[path].data):
                if decay:
                    x *= 1 - own * decay
                m *= b1
                m += (1 - b1) * g
                v *= b2
                v += (1 - b2) * g * g
                x -= rate * m / (xp_of(v).sqrt(v) / root + self.eps)

    def rate(self, lr: float | None = None) -> float:
        """``lr``, after a look at it, or that of the constructor."""
        return self.lr if lr is None else _not_negative(self, lr=lr)

    def share(self, p: Param) -> tuple[float, float]:
        """(weight decay of ``p``, its learning rate as a part of that of the others)."""
        return _share(self, p)

    def tensors(self) -> Iterator[tuple[str, Buffer]]:
        """Yield ``(path, Buffer)`` for all that a checkpoint must hold."""
        yield "steps", self.steps
        for name, buffers in (("mean", self.mean), ("square", self.square)):
            for path, buffer in buffers.items():
                yield f"{name}.{path}", buffer


Optimizer = SGD | AdamW
PART = 262_144  # numbers of a part


def _parts(*arrays):
    """Arrays of one shape in parts along the first axis, for each number to be read once; whole ones of a GPU."""
    first = arrays[0]
    if not isinstance(first, np.ndarray) or first.size <= PART:
        return [arrays]
    rows = max(1, PART * len(first) // first.size)
    return [[array[r : r + rows] for array in arrays] for r in range(0, len(first), rows)]


def clip_gradients(params: Iterable[tuple[str, Param]], max_norm: float) -> float:
    """Scale all gradients by one factor, so that their common norm is at most ``max_norm``; return the norm before.

        norm = sqrt(sum of the squares of all entries)        grad <- grad min(1, max_norm / (norm + 1e-6))

    params: pairs (path, Param); frozen ones are left out. The norm is a float64 array without axes on their device.
    Pascanu et al. 2013, "On the difficulty of training recurrent neural networks", with the 1e-6 of PyTorch's
    clip_grad_norm_. A NaN among the gradients makes all of them NaN.
    """
    if not 0 < max_norm < math.inf:
        raise RangeError(f"max_norm is {max_norm}, expected a finite number above 0: change max_norm", "clip_gradients")
    grads = [p.grad for _, p in _pairs(params) if not p.frozen]
    if not grads:
        raise StateError("all parameters are frozen, expected one that is not: there are 0 gradients", "clip_gradients")
    xp = xp_of(grads[0])
    norm = xp.sqrt(sum(xp.square(grad, dtype=np.float64).sum() for grad in grads))
    factor = xp.minimum(1, max_norm / (norm + 1e-6))
    for grad in grads:
        grad *= factor.astype(grad.dtype)
    return norm


def _about(optimiser, *settings):
    values = ", ".join(f"{name}={getattr(optimiser, name)!r}" for name in settings)
    return f"<{type(optimiser).__name__} of {len(optimiser.params)} parameters, {values}>"


def _share(optimiser, p):
    decays = optimiser.decay_all or p.data.ndim > 1
    return optimiser.weight_decay if decays else 0.0, optimiser.scalar_rate if p.data.size == 1 else 1.0


def _pairs(params):
    pairs = list(params)
    if not pairs:
        raise StateError("the optimiser got no parameters, expected at least one: pass model.params()")
    for pair in pairs:
        if not (isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[1], Param)):
            raise DTypeError(f"params holds a {type(pair).__name__}, expected pairs (path, Param): pass model.params()")
    paths = [path for path, _ in pairs]
    if len(set(paths)) < len(paths):
        twice = next(path for path in paths if paths.count(path) > 1)
        raise StateError(f"{paths.count(twice)} parameters are called {twice!r}, expected 1: rename them")
    return pairs


def _zeros_like(params):
    return {path: Buffer(xp_of(p.data).zeros_like(p.data)) for path, p in params}


def _check_state(optimiser, buffers):
    """The model may have moved since the optimiser was made; types are compared as that is cheap and never waits."""
    for path, p in optimiser.params:
        if path in buffers:
            found, state = p.data, buffers[path].data
            if type(found) is not type(state) or found.dtype != state.dtype:
                raise StateError(
                    f"{path} is now {found.dtype} ({type(found).__module__}), the optimiser was made for {state.dtype} "
                    f"({type(state).__module__}): make the optimiser after model.to(...)",
                    type(optimiser).__name__,
                )


def _positive(optimiser, **setting):
    return _inside(optimiser, setting, "a finite number above 0", lambda v: 0 < v < math.inf)


def _not_negative(optimiser, **setting):
    return _inside(optimiser, setting, "a finite number of at least 0", lambda v: 0 <= v < math.inf)


def _fraction(optimiser, **setting):
    return _inside(optimiser, setting, "a number from 0 to below 1", lambda v: 0 <= v < 1)


def _inside(optimiser, setting, expected, holds):
    value = number(optimiser, **setting)
    if not holds(value):
        (name,) = setting
        raise RangeError(f"{name} is {value}, expected {expected}: change {name}", type(optimiser).__name__)
    return value
