"""The trunk of a network: the way of x from the input to the output, as a chain of blocks.

A block is what lies between x_l and x_{l+1}: a fork with the layers before it that belong to the same block (a shared
pre-activation) and behind it (the ReLU of v1). What comes back through it is a sum of terms,

    g_l = A_l^T g_{l+1} + B_l^T g_{l+1} (+ C_l^T g_{l+1} for a gate)

with A^T, the shortcut operator, B^T, the residual operator, each including the layers before and behind the fork.
Layers without a fork between blocks (stem, head, transitions) are links: A^T alone.
"""

import copy
from contextlib import contextmanager
from dataclasses import dataclass, field

from ..backend import xp_of
from ..layers import Fork, Sequential
from ..layers.base import inside

SHORTCUT = "shortcut"


@dataclass
class Part:
    """A layer on the trunk with what its last forward left: the path in the model, the input and the cache."""

    path: str
    layer: object
    x: object = None
    cache: object = None

    def forward(self, x, train):
        self.x = x
        with inside(self.path):
            y, self.cache = self.layer.forward(x, train)
        return y

    def backward(self, u):
        with inside(self.path):
            return self.layer.backward(u, self.cache)


@dataclass(frozen=True, eq=False)
class Visit:
    """One forward through one fork, on the trunk or inside a branch, with all that it takes to run it again.

    states: those of its random generators before the forward
    """

    path: str
    fork: Fork
    x: object
    train: bool
    states: list
    cache: object

    def again(self, **to):
        """A copy of the fork as it was before this forward, moved by ``to`` (see :meth:`Layer.to`)."""
        twin = copy.deepcopy(self.fork).to(**to)
        for (_, generator), state in zip(twin.generators(), self.states):
            generator.bit_generator.state = state
        return twin


@dataclass
class Block:
    """Layers before a fork, the fork, layers behind it; a link has no fork and all its layers in ``pre``."""

    path: str
    pre: list = field(default_factory=list)
    fork: Part | None = None
    post: list = field(default_factory=list)
    y: object = None

    @property
    def parts(self):
        return [*self.pre, *([self.fork] if self.fork else []), *self.post]

    @property
    def x(self):
        """x_l, the input of the block."""
        return self.parts[0].x

    def forward(self, x, train):
        for part in self.parts:
            x = part.forward(x, train)
        self.y = x
        return x

    def backward(self, u):
        """The whole gradient: g_l from u = g_{l+1}, by the layers' own backward."""
        return _back(self.parts, u)

    def terms(self, u):
        """``{name: term}``: the terms of g_l, each brought back to the input of the block; a link has "shortcut"."""
        if self.fork is None:
            return {SHORTCUT: self.backward(u)}
        u = _back(self.post, u)
        with inside(self.fork.path):
            terms = self.fork.layer.terms(u, self.fork.cache)
        return {name: _back(self.pre, term) for name, term in terms.items()}

    def shortcut(self, u):
        """A_l^T u alone, without the cost of the residual branch; zeros where the fork has no shortcut."""
        if self.fork is None:
            return self.backward(u)
        with inside(self.fork.path):
            term = self.fork.layer.shortcut_term(_back(self.post, u), self.fork.cache)
        return _back(self.pre, term)

    def residual(self, u):
        """B_l^T u: everything but the shortcut term."""
        return self.split(u)[1]

    def split(self, u):
        """(A_l^T u, B_l^T u): the shortcut term, and the sum of all the others."""
        terms = self.terms(u)
        shortcut = terms.pop(SHORTCUT, None)
        zero = xp_of(self.x).zeros_like(self.x)
        return (zero if shortcut is None else shortcut), sum(terms.values(), start=zero)


class Trunk:
    """The blocks of a private copy of ``model``, run forward once on x; the model itself is never touched.

    Each operator is a pure function of its cotangent and may be called any number of times. Parameter gradients of
    the copy are frozen, so that a vector-Jacobian product costs no weight gradient.
    """

    def __init__(self, model, x, train=True):
        self.model = copy.deepcopy(model).freeze()
        self.chain = _blocks(self.model)
        self.train = train
        with _noting_visits(self.model) as self._visits:
            for block in self.chain:
                x = block.forward(x, train)
        self.y = x

    def visit(self, fork, cache):
        """The :class:`Visit` of ``fork`` that left ``cache``."""
        return self._visits[id(fork), id(cache)]

    @property
    def blocks(self):
        """The blocks that hold a fork, from the input to the output."""
        return [block for block in self.chain if block.fork is not None]

    def gradients(self, dy):
        """``[(block, g behind it, g before it)]`` along the chain, for the gradient ``dy`` of the output."""
        found = []
        for block in reversed(self.chain):
            dx = block.backward(dy)
            found.append((block, dy, dx))
            dy = dx
        return found[::-1]

    def between(self, start, stop):
        """The part of the chain from block number ``start`` to before block number ``stop``, links included."""
        numbers = [i for i, block in enumerate(self.chain) if block.fork is not None]
        numbers.append(numbers[-1] + 1)  # behind the last block begins the head
        return self.chain[numbers[start] : numbers[stop]]


@contextmanager
def _noting_visits(model):
    """While the body runs, note every forward of a fork: {(id of the fork, id of the cache): visit}."""
    visits, watched = {}, {}
    for path, layer in model.walk():
        if isinstance(layer, Fork) and id(layer) not in watched:
            watched[id(layer)] = layer
            layer.forward = _noting_visit(layer, path, visits)
    try:
        yield visits
    finally:
        for layer in watched.values():
            del layer.forward


def _noting_visit(fork, path, visits):
    forward = fork.forward

    def noted(x, train=False):
        states = [generator.bit_generator.state for _, generator in fork.generators()]
        y, cache = forward(x, train)
        visits[id(fork), id(cache)] = Visit(path, fork, x, train, states, cache)  # it keeps the cache, so its id
        return y, cache

    return noted


def _back(parts, u):
    for part in reversed(parts):
        u = part.backward(u)
    return u


def _blocks(model):
    """The chain of a model: Sequentials are opened until each block holds one fork."""
    chain = []
    for path, layer in _open("", model, top=True):
        parts = [Part(p, part) for p, part in _open(path, layer, everything=True)]
        forks = [i for i, part in enumerate(parts) if isinstance(part.layer, Fork)]
        if forks:
            (i,) = forks
            chain.append(Block(path, parts[:i], parts[i], parts[i + 1 :]))
        else:
            chain.append(Block(path, parts))
    return chain


def _open(path, layer, top=False, everything=False):
    if isinstance(layer, Sequential) and (top or everything or _count_forks(layer) > 1 or len(layer) == 1):
        for name, child in layer.children():
            yield from _open(f"{path}.{name}" if path else name, child, everything=everything)
    else:
        yield path, layer


def _count_forks(layer):
    if isinstance(layer, Sequential):
        return sum(_count_forks(child) for _, child in layer.children())
    return int(isinstance(layer, Fork))
