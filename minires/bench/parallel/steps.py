"""Training steps of networks: how long they take here, alone and on all ranks at once, and what the model expects."""

import os
import time
from typing import Any

import numpy as np

from ... import models
from ...engine import compile
from ...initializers import Undrawn
from ...layers.base import Layer
from ...losses import SoftmaxCrossEntropy
from ...models.summary import multiply_adds, output_shapes
from ...train import SGD
from ...train.buckets import Buckets
from ...train.ranks import Ranks
from ...train.shared import shared_step
from ...train.step import accumulated_step
from ..cases import Case
from .cost import Work, cut
from .simulation import Reduction, agreement, synchronous_steps

FLOPS = 6  # a multiply-add is two operations, and a step has three products of that size


def layers_of(model: Layer, image: tuple[int, int, int]) -> list[tuple[float, float]]:
    """[(multiply-adds for one image, bytes of its own parameters)] of each layer of ``model``, first to last."""
    shapes, found = output_shapes(model, image), []
    for path, layer in model.walk():
        of_children = {id(p) for _, child in layer.children() for _, p in child.params()}
        own = sum(p.data.nbytes for _, p in layer.params() if id(p) not in of_children)
        macs = multiply_adds(layer, shapes[path]) if path in shapes else 0
        if macs or own:
            found.append((float(macs), float(own)))
    return found


def work_of(case: Case, seconds: float) -> Work:
    """The step of a network in ``seconds``, with the buckets that minires would cut."""
    layers = layers_of(models.build(case.subject, rng=Undrawn()), case.image)
    return Work(case.subject, case.batch, seconds, cut(layers))


def seconds_at(case: Case, tflops: float) -> float:
    """Seconds of a step on a device that does so many 10^12 operations a second, all the time."""
    return FLOPS * case.macs / (tflops * 1e12)


class Trainer:
    """A network that trains on random images (``batch``, *``image``), one step after the other."""

    def __init__(self, model: Layer, image: Any, batch: int, threads: int, ranks: Ranks | None = None) -> None:
        rng = np.random.default_rng(0)
        classes = model(np.zeros((1, *image), np.float32)).shape[1]
        self.x = rng.standard_normal((batch, *image), np.float32)
        self.labels = rng.integers(0, classes, batch)
        self.fast = compile(model, threads=threads, input_gradient=False)
        self.loss, self.sgd = SoftmaxCrossEntropy(), SGD(model.params(), lr=0.01, momentum=0.9)
        self.buckets: Any = ranks and Buckets(model.params(), ranks)

    @classmethod
    def of(cls, case: Case, threads: int, ranks: Ranks | None = None) -> "Trainer":
        """The network and the images of ``case``."""
        return cls(models.build(case.subject, rng=0), case.image, case.batch, threads, ranks)

    def alone(self) -> tuple[float, float]:
        """(seconds, of which the processor computed for this process) of a step without other ranks."""
        return self._timed(accumulated_step)

    def shared(self) -> tuple[float, float]:
        """The same of a step of all ranks."""
        return self._timed(shared_step, self.buckets)

    def exchange(self) -> list[float]:
        """Seconds of each message of a step, one after the other, without computing: of the buckets and of the rest."""
        ranks, times = self.buckets.ranks, [time.perf_counter()]
        statistics = sum(t.data.size for _, t in self.fast.tensors()) - sum(p.data.size for _, p in self.sgd.params)
        sizes = [bucket.numbers.size for bucket in self.buckets.all]
        for size in (*sizes, 4, statistics + 1):
            ranks.sum(np.zeros(size, np.float32))
            times.append(time.perf_counter())
        return list(np.diff(times))

    def _timed(self, step, *how):
        begun, computed = time.perf_counter(), time.process_time()
        step(self.fast, self.loss, self.sgd, [(self.x, self.labels)], self.sgd.lr, *how)
        return time.perf_counter() - begun, time.process_time() - computed


def step_times(trainer: Trainer, rounds: int, seconds: float) -> list[float]:
    """Seconds of each of the steps that one process takes alone: ``rounds``, or what begins within ``seconds``."""
    trainer.alone()
    times, begun = [], time.perf_counter()
    while len(times) < 2 or (len(times) < rounds and time.perf_counter() - begun < seconds):
        times.append(trainer.alone()[0])
    return times


def compare(case: Case, ranks: Ranks, rounds: int) -> dict[str, Any]:
    """Measured steps of all ranks, of one thread each, beside what the model expects of the times without exchange.

    In each round a step of rank 0 alone, one of all ranks at once without a word, their messages without a step, and
    a step of all together. From the second the simulation has how long each rank computes while all do, how unequally,
    and by the part of the cores that they got, how many neighbours there are; from the third what a message takes,
    which with neighbours is the time until a rank gets a core. It puts them together: who waits, and what is hidden.
    """
    trainer, size = Trainer.of(case, 1, ranks), ranks.size
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    trainer.shared()
    steps: tuple[list, list, list] = [], [], []
    messages = []
    for _ in range(rounds):
        ranks.gather([])
        steps[0].append(trainer.alone() if ranks.rank == 0 else (0.0, 0.0))
        ranks.gather([])
        steps[1].append(trainer.alone())
        ranks.gather([])
        messages.append(trainer.exchange())
        ranks.gather([])
        steps[2].append(trainer.shared())
    alone, apart, together = (ranks.gather(one).reshape(size, rounds, 2).T for one in steps)
    # (seconds or of the processor, rounds, ranks)
    others = np.maximum(0, cores / np.minimum(1, apart[1].sum(axis=1) / apart[0].sum(axis=1)) - size)
    work = apart[0] / np.maximum(1, (size + others) / cores)[:, None]
    costs = ranks.gather(messages).reshape(size, rounds, -1).mean(axis=0)
    rows = [Reduction(tuple(zip(_whole_at(case, trainer.buckets), row))) for row in costs]
    same = work * 0 + np.median(work, axis=1, keepdims=True)
    expected, plain = (
        np.array([synchronous_steps([w], r, cores, n)[0] for w, r, n in zip(those, rows, others)])
        for those in (work, same)
    )
    measured = together[0].mean(axis=1)
    times = {"alone": alone[0, :, 0], "together": measured, "simulated": expected, "without_stragglers": plain}
    facts = {name: float(np.median(found)) for name, found in times.items()}
    return {"case": case.name, "ranks": size, "cores": cores, "neighbours": float(np.median(others)), **facts} | {
        "off": agreement(measured, expected),
        "speedup": size * facts["alone"] / facts["together"],
        "expected_speedup": size * facts["alone"] / facts["simulated"],
    }


def _whole_at(case, buckets):
    """Of each message of a step, what part of backward is done before it; the last two follow the buckets."""
    parts, sizes = np.array(work_of(case, 1.0).buckets).T
    ends = np.cumsum([bucket.bytes for bucket in buckets.all])
    return [*np.interp(ends, np.cumsum(sizes), parts), 1.0, 1.0]
