"""The ranks of an MPI job, which train together: what each computes of a batch, and how their sums become one.

Whatever transports is a communicator of ``mpi4py``; nothing here imports it.
"""

import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..backend import Array, join_gpus, xp_of
from ..engine.quota import cores
from ..errors import MiniresError, RangeError
from ..files.streams import Stream
from ..layers.base import Layer
from .guard import GUARD
from .interrupt import Interrupted

FIRST, SECOND, DONE = "first half", "second half", "done"  # how far a sum has come
PATIENCE = 2000  # questions whether a message has come without a pause; then the core is left to others
PAUSE, LONGEST = 1 / 20, 1e-3  # a pause is this part of what was waited so far, and seconds at most
GRACE, HERE = 0.5, 7  # seconds in which those that wait too say so, and the tag of that message


class Ranks:
    """The processes of ``comm``, a communicator of mpi4py such as ``MPI.COMM_WORLD``, which all make this at once.

    ordered: add in the order of the ranks, else as MPI likes it   timeout: seconds that a rank waits for the others
    before it ends the job; None waits for ever   threads: how many of the cores of its host a rank may use
    """

    def __init__(self, comm: Any, *, ordered: bool = True, timeout: float | None = None) -> None:
        if timeout is not None and not timeout > 0:
            raise RangeError(f"timeout is {timeout}, expected seconds above 0, or None: change timeout")
        self.comm, self.ordered, self.timeout = comm, ordered, timeout
        self.rank, self.size = comm.Get_rank(), comm.Get_size()
        self.channels = [comm.Dup(), comm.Dup()] if self.size > 1 else [comm, comm]  # for what goes on during backward
        self.step = 0  # for messages
        self.known: BaseException | None = None  # the error that all ranks have
        self.gpus: Any = None  # what adds that which lies on GPUs
        GUARD.note(self.rank, self.step)
        place = [socket.gethostname(), sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []]
        self.places = [place] * self.size  # for the message of one that waits for this exchange
        self.places = self.exchange(place)
        self.threads = max(1, cores() // self.places.count(place))

    def at_step(self, step: int) -> None:
        """Note the step, for messages."""
        self.step = step
        GUARD.note(self.rank, step)

    def take_gpu(self) -> None:
        """Compute on a GPU of one's own: the first rank of a host on its first one."""
        hosts = [host for host, _ in self.places]
        self.gpus = join_gpus(self.size, self.rank, hosts[: self.rank].count(hosts[self.rank]))

    def free(self) -> None:
        """Give the communicators back."""
        if self.size > 1:
            for channel in self.channels:
                channel.Free()

    def share(self, count: int) -> slice:
        """Which of ``count`` images are this rank's: one after the other, the first ranks have one more."""
        least, more = divmod(count, self.size)
        start = self.rank * least + min(self.rank, more)
        return slice(start, start + least + (self.rank < more))

    def sum(self, array: Array) -> Array:
        """The sum over the ranks of an array (n,), the same bits on all of them; a new array of the same dtype."""
        numbers = xp_of(array).zeros((self.size, -(-len(array) // self.size)), array.dtype)
        flat = numbers.reshape(-1)[: len(array)]
        flat[...] = array
        self.wait(self.summing(numbers, self.comm, self.comm))
        return flat

    def summing(self, numbers: Array, first: Any, second: Any) -> Iterator[str]:
        """Put the sum over the ranks into an array (k, n); each ``next`` carries that on, without waiting.

        Each rank adds one row, in the order of the ranks, and hands that to the others: 2 (k - 1) / k of the array go
        out from each of k ranks, as in a ring. first, second: the communicators for the two halves of that. On a GPU
        all of that is in its queue at once, and nobody waits.
        """
        if self.size == 1:
            return
        if xp_of(numbers) is not np:
            self._sum_on_gpus(numbers)
            return
        came = np.empty_like(numbers)
        if not self.ordered:
            yield from _asked(SECOND, second.Iallreduce(numbers, came))
            numbers[...] = came
            return
        yield from _asked(FIRST, first.Ialltoall(numbers, came))
        yield from _asked(SECOND, second.Iallgather(_in_order(came), numbers))

    def _sum_on_gpus(self, numbers):
        if not self.ordered:
            self.gpus.all_reduce(numbers, numbers)
            return
        came = xp_of(numbers).empty_like(numbers)
        self.gpus.all_to_all(numbers, came)
        self.gpus.all_gather(_in_order(came), numbers, numbers.shape[1])

    def gather(self, numbers: Any) -> Array:
        """(k, n): the n numbers of each of the k ranks, in float64."""
        return self._gathered(np.asarray(numbers, np.float64).reshape(-1))

    def exchange(self, value: Any) -> list[Any]:
        """[the value of each rank], of whatever JSON can hold."""
        mine = np.frombuffer(json.dumps(value).encode(), np.uint8)
        sizes = self.gather(len(mine)).reshape(-1).astype(int)
        found = self._gathered(np.pad(mine, (0, sizes.max() - len(mine))))
        return [json.loads(row[:size].tobytes()) for row, size in zip(found, sizes)]

    def largest(self, number: int) -> int:
        """The largest of the ranks' numbers."""
        return int(self.gather(number).max())

    def _gathered(self, mine):
        found = np.empty((self.size, mine.size), mine.dtype)
        self.wait(_asked(SECOND, self.comm.Iallgather(mine, found)))
        return found

    def wait(self, going: Iterator[Any]) -> None:
        """Carry on until it is done."""
        began, asked = time.monotonic(), 0
        for _ in going:
            asked += 1
            if asked > PATIENCE:
                waited = time.monotonic() - began
                time.sleep(min(PAUSE * waited, LONGEST))
                if self.timeout is not None and waited > self.timeout:
                    self._end_the_wait()

    def _end_the_wait(self):
        """End the job; of the ranks that have waited too long the first one speaks, of those that have not said so."""
        channel, hello = self.channels[0], np.zeros(1, np.int8)
        silent, until = set(range(self.size)) - {self.rank}, time.monotonic() + GRACE
        sent = [channel.Isend(hello, rank, HERE) for rank in silent]
        while silent and time.monotonic() < until:
            silent -= {rank for rank in silent if channel.Iprobe(rank, HERE)}
            time.sleep(0.01)
        if self.rank != min(set(range(self.size)) - silent):
            time.sleep(GRACE)
        words = f"no answer for {self.timeout:g} s: it is stopped, hangs, or computes for longer"
        others = [f"rank {rank} on {self.places[rank][0]}" for rank in sorted(silent)]
        self.end(words if others else f"all ranks wait for each other, {len(sent) + 1} of them", ", ".join(others))

    def end(self, words: str, who: str = "") -> None:
        """End all processes of the job, with a message that names ``who`` (this rank and its host) and the step."""
        who = who or f"rank {self.rank} on {self.places[self.rank][0]}"
        GUARD.speaks()
        print(f"minires: {who}, step {self.step}: {words}; the job ends", file=Stream(sys.stderr), flush=True)
        time.sleep(0.1)  # words and abort reach mpiexec on ways of their own, and it forwards nothing after the abort
        self.comm.Abort(1)

    @contextmanager
    def together(self) -> Iterator[None]:
        """What one rank raises in the block ends the job; what all raise, such as an interruption, is raised."""
        try:
            yield
        except Interrupted:
            raise
        except BaseException as error:
            if self.size == 1 or error is self.known:
                raise
            self.end(f"{error if isinstance(error, MiniresError) else repr(error)}")
            raise


def reseed(model: Layer, seed: int, step: int, rank: int) -> None:
    """Let the sources of randomness of ``model`` begin anew, from (seed, step, rank): nothing of them need be kept."""
    for number, (_, generator) in enumerate(model.generators()):
        kind = type(generator.bit_generator)
        generator.bit_generator.state = kind(np.random.SeedSequence([seed, step, rank, number, 1])).state


def _in_order(rows):
    total = rows[0].copy()
    for row in rows[1:]:
        total += row
    return total


def _asked(half, request):
    """Yield ``half`` until the message of ``request`` has come, at least once."""
    yield half
    while not request.Test():
        yield half
