"""The trunk of a network: the way of x from the input to the output, as a chain of blocks (:mod:`.block`).

Only what runs by the methods of minires is opened (:func:`~minires.layers.kind_of`); a container that the user wrote
is opened where one forward tells what it does (:mod:`~minires.trace.written`), and else is one step.
"""

import copy
import itertools
from dataclasses import dataclass
from functools import partial
from typing import Any

from ..backend import Array
from ..engine import Compiled
from ..layers import Fork, Sequential
from ..layers.known import kind_of
from ..layers.tree import join
from ..layers.watch import watched
from .block import Block, Part
from .written import is_written, read_written


@dataclass(frozen=True, eq=False)
class Visit:
    """One forward through one fork, on the trunk or inside a branch, with all that it takes to run it again.

    states: those of its random generators before the forward
    """

    path: str
    fork: Fork
    x: Array
    train: bool
    states: list
    cache: Any

    def again(self, **to):
        """A copy of the fork as it was before this forward, moved by ``to`` (see :meth:`Layer.to`)."""
        twin = copy.deepcopy(self.fork).to(**to)
        for (_, generator), state in zip(twin.generators(), self.states):
            generator.bit_generator.state = state
        return twin


class Trunk:
    """The blocks of a private copy of ``model``, run forward once on x; the model itself is never touched.

    Each operator is a pure function of its cotangent and may be called any number of times. Parameter gradients of
    the copy are frozen, so that a vector-Jacobian product costs no weight gradient.
    """

    def __init__(self, model, x, train=True):
        self.model = definition(copy.deepcopy(model)).freeze()
        self.written = read_written(self.model, x, train)
        self.chain = list(_Opener(self.model, self.written).chain(self.model))
        self.train = train
        self._visits = {}
        with watched(self.forks(), forward=partial(_noting_visit, visits=self._visits)):
            for block in self.chain:
                x = block.forward(x, train)
        self.y = x

    def forks(self):
        """Yield ``(path, fork)`` for every fork of the model, and for the sums in what the user wrote."""
        sums = [part.walk(path) for path, parts in self.written.items() for name, part in parts if not name]
        everything = itertools.chain(self.model.walk(), *sums)
        return ((path, layer) for path, layer in everything if isinstance(layer, Fork))

    @property
    def notes(self):
        """A sentence about each container that could not be opened."""
        found = []
        for part in (part for block in self.chain for part in block.parts):
            name = f"{type(part.layer).__name__}{f' ({part.path})' if part.path else ''}"
            if is_written(part.layer):
                count = sum(isinstance(layer, Fork) for _, layer in part.layer.walk())
                what = f"its {count} forks do" if count > 1 else "its fork does" if count else "a shortcut inside would"
                found.append(
                    f"{name} is not a container that minires knows: {what} not lie on the trunk; write it with "
                    "Sequential, Residual and the other containers, or trace the part of it that you mean."
                )
        return found

    def visit(self, fork, cache):
        """The :class:`Visit` of ``fork`` that left ``cache``."""
        return self._visits[id(fork), id(cache)]

    @property
    def blocks(self):
        """The blocks that are no links, from the input to the output."""
        return [block for block in self.chain if not block.link]

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
        numbers = [i for i, block in enumerate(self.chain) if not block.link]
        numbers.append(numbers[-1] + 1)  # behind the last block begins the head
        return self.chain[numbers[start] : numbers[stop]]


def _noting_visit(path, fork, forward, visits):
    def noted(x, train=False):
        states = [generator.bit_generator.state for _, generator in fork.generators()]
        y, cache = forward(x, train)
        visits[id(fork), id(cache)] = Visit(path, fork, x, train, states, cache)  # it keeps the cache, so its id
        return y, cache

    return noted


def definition(model):
    """``model``, changed in place, with the definition in the place of every compiled layer."""
    while isinstance(model, Compiled):
        model = model.definition
    for name, child in list(model.children()):
        if definition(child) is not child:
            model.set_child(name, definition(child))
    return model


class _Opener:
    """Opens the containers of a model whose insides are known."""

    def __init__(self, model, written):
        self.written = written
        self.plain = not self.count_forks("", model) and not any(isinstance(part, Fork) for _, part in model.walk())

    def inside(self, path, layer):
        """The parts of a container that run one after the other, [(path, layer)]; None where that is not known."""
        if kind_of(layer) is Sequential:
            return [(join(path, name), child) for name, child in layer.children()]
        if path in self.written and is_written(layer):
            return [(join(path, name), child) for name, child in self.written[path]]
        return None

    def count_forks(self, path, layer):
        parts = self.inside(path, layer)
        return int(isinstance(layer, Fork)) if parts is None else sum(self.count_forks(*part) for part in parts)

    def parts(self, path, layer, wanted):
        """Yield ``(path, layer)`` of what runs one after the other, opening the containers that are ``wanted``."""
        parts = self.inside(path, layer)
        if parts is None or not wanted(path, layer, parts):
            yield path, layer
        else:
            for part in parts:
                yield from self.parts(*part, wanted)

    def chain(self, model):
        """The blocks and links: containers are opened until each block holds one fork or, in a plain net, layers."""
        top, layer = "", model
        while is_written(layer) and len(parts := self.inside(top, layer) or ()) == 1:
            ((top, layer),) = parts  # a class around a network

        def holds_blocks(path, layer, parts):
            if path == top or len(parts) == 1:
                return True
            if self.plain:
                return all(self.inside(*part) is not None for part in parts)
            return self.count_forks(path, layer) > 1

        found = list(self.parts(top, layer, holds_blocks))
        depth = max((path.count(".") for path, _ in found), default=0)
        for path, layer in found:
            parts = [Part(p, part) for p, part in self.parts(path, layer, lambda *_: True)]
            forks = [i for i, part in enumerate(parts) if isinstance(part.layer, Fork)]
            if forks:
                (i,) = forks
                yield Block(path, parts[:i], parts[i], parts[i + 1 :])
            else:
                # the stem and the head of a plain net are links, unless it has no stages
                counts = path.count(".") == depth and any(True for _ in layer.params())
                yield Block(path, parts, plain=self.plain and counts)
