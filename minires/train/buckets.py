"""The gradients of a model in buckets, which ranks add up while backward goes on to the layers before."""

import time
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ..backend import Array, xp_of
from ..engine.compiled import Compiled
from ..layers import Sequential
from ..layers.base import Layer, Param, inside
from ..layers.known import kind_of
from ..layers.tree import join
from .ranks import DONE, FIRST, SECOND, Ranks

LEAST, MOST = 2**18, 16  # bytes of a bucket, at least; buckets of a model, about, at most


class Buckets:
    """The gradients of ``params``, last layers first, cut into buckets; each is one message, begun when it is whole.

    ``Param.grad`` becomes a part of its bucket, so that nothing is copied. All ranks begin their buckets in one order,
    on communicators of their own: what else is exchanged during backward, and when, does not matter.
    """

    def __init__(self, params: Iterable[tuple[str, Param]], ranks: Ranks) -> None:
        found = [p for _, p in params if not p.frozen][::-1]
        on_gpu = bool(found) and xp_of(found[0].data) is not np  # where one call is cheaper than many
        size = max(LEAST, sum(p.data.nbytes for p in found) // (1 if on_gpu else MOST))
        self.ranks, self.all = ranks, []
        for p in found:
            if not self.all or self.all[-1].bytes >= size or self.all[-1].params[0].data.dtype != p.data.dtype:
                self.all.append(Bucket())
            self.all[-1].add(p)
        for bucket in self.all:
            bucket.allocate(ranks.size)
        self.begun, self.underway = 0, []

    def begin(self) -> None:
        """A backward begins whose gradients are to be added up."""
        self.begun, self.underway = 0, []
        for bucket in self.all:
            bucket.left = {id(p) for p in bucket.params}

    def backward(self, network: Layer, dy: Array, cache: Any) -> None:
        """``network.backward(dy, cache)``, in which gradients are sent as soon as they are whole."""
        backward(network, dy, cache, self.ready)

    def ready(self, params: Iterable[Param]) -> None:
        """The gradients of ``params`` are whole: begin the buckets that are, and carry on those under way."""
        done = {id(p) for p in params}
        for bucket in self.all:
            bucket.left -= done
        while self.begun < len(self.all) and not self.all[self.begun].left:
            self._begin_next()
        self._carry_on()

    def finish(self) -> None:
        """Begin the rest, and return when all gradients are the sums over the ranks."""
        while self.begun < len(self.all):
            self._begin_next()
        self.ranks.wait(iter(self._carry_on, True))

    def divide(self, number: Any) -> None:
        """Divide all gradients by a number, or an array without axes."""
        for bucket in self.all:
            bucket.numbers /= number

    def _begin_next(self):
        bucket = self.all[self.begun]
        self.begun += 1
        bucket.collect()
        sum_ = self.ranks.summing(bucket.numbers, *self.ranks.channels)
        if next(sum_, DONE) is not DONE:
            self.underway.append((bucket, sum_))

    def _carry_on(self):
        """Whether all that has begun is done. The second halves begin in the order of the buckets, on all ranks."""
        going, half = [], SECOND
        for bucket, sum_ in self.underway:
            if half is not FIRST:
                half = next(sum_, DONE)
            if half is DONE:
                bucket.ended = time.perf_counter()
            else:
                going.append((bucket, sum_))
        self.underway = going
        return not going


class Bucket:
    """Gradients in one array ``numbers``, (ranks, part) with zeros at its end.

    left: the parameters whose gradients are still missing   began, ended: when its message did, for a picture of it
    """

    def __init__(self):
        self.params, self.bytes, self.left, self.began, self.ended = [], 0, set(), 0.0, 0.0

    def add(self, param):
        self.params.append(param)
        self.bytes += param.data.nbytes

    def allocate(self, ranks):
        """Let the gradients of the parameters be parts of the array."""
        count, first = sum(p.data.size for p in self.params), self.params[0].data
        self.numbers = xp_of(first).zeros((ranks, -(-count // ranks)), first.dtype)
        flat, start, self.parts = self.numbers.reshape(-1), 0, []
        for p in self.params:
            self.parts.append(flat[start : start + p.data.size].reshape(p.data.shape))
            start += p.data.size
        self.collect()

    def collect(self):
        """A layer may have put another array in the place of its gradient."""
        self.began = time.perf_counter()
        for p, part in zip(self.params, self.parts):
            if p.grad is not part:
                part[...] = p.grad
                p.grad = part


def backward(network: Layer, dy: Array, cache: Any, ready: Callable[[Iterable[Param]], Any]) -> None:
    """``network.backward(dy, cache)``, which calls ``ready(params)`` as soon as gradients are whole.

    A chain of layers is walked here, link by link; a compiled network tells by itself.
    """
    if isinstance(network, Compiled):
        network.backward(dy, cache, ready)
        return
    if kind_of(network) is not Sequential:
        network.backward(dy, cache)
        return
    links = list(_links(network, cache))[::-1]
    behind, whole = set(), []
    for _, layer, _ in reversed(links):  # a parameter of several links is whole behind the last of them
        whole.append([p for _, p in layer.params() if id(p) not in behind])
        behind |= {id(p) for p in whole[-1]}
    for (path, layer, link_cache), params in zip(links, reversed(whole)):
        with inside(path):
            dy = layer.backward(dy, link_cache)
        ready(params)


def _links(layer, cache, path=""):
    """(path, layer, cache) of each link of the chain that ``layer`` is, opened as far as it is one."""
    if kind_of(layer) is not Sequential:
        yield path, layer, cache
        return
    for (name, child), child_cache in zip(layer.layers.items(), cache):
        yield from _links(child, child_cache, join(path, name))
