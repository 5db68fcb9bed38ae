"""The ranks of an MPI job, which train together: what each computes of a batch, and how their sums become one.

Whatever transports is a communicator of ``mpi4py``; nothing here imports it.
"""

import socket
import sys
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from .. import __version__
from ..backend import Array
from ..data import Loader
from ..errors import MiniresError, RangeError, StateError
from ..files.streams import Stream
from ..layers.base import Layer
from .interrupt import Interrupted
from .prepare import why_not_one

PATIENCE = 2000  # questions whether a message has come without a pause; then the core is left to others


class Ranks:
    """The processes of ``comm``, a communicator of mpi4py such as ``MPI.COMM_WORLD``.

    ordered: add in the order of the ranks, else as MPI likes it   timeout: seconds that a rank waits for the others
    before it ends the job; None waits for ever
    """

    def __init__(self, comm: Any, *, ordered: bool = True, timeout: float | None = None) -> None:
        if timeout is not None and not timeout > 0:
            raise RangeError(f"timeout is {timeout}, expected seconds above 0, or None: change timeout")
        self.comm, self.ordered, self.timeout = comm, ordered, timeout
        self.rank, self.size = comm.Get_rank(), comm.Get_size()
        self.step = 0  # for messages
        self.known: BaseException | None = None  # the error that all ranks have

    def share(self, count: int) -> slice:
        """Which of ``count`` images are this rank's: one after the other, the first ranks have one more."""
        least, more = divmod(count, self.size)
        start = self.rank * least + min(self.rank, more)
        return slice(start, start + least + (self.rank < more))

    def sum(self, array: Array) -> Array:
        """The sum over the ranks of an array (n,), the same bits on all of them; a new array of the same dtype.

        Each rank adds a part of it, in the order of the ranks, and hands that to the others: 2 (k - 1) / k of the
        array go out from each of k ranks, as in a ring.
        """
        if self.size == 1:
            return array.copy()
        if not self.ordered:
            found = np.empty_like(array)
            self._wait(self.comm.Iallreduce(array, found))
            return found
        part = -(-len(array) // self.size)
        sent, came = np.zeros((2, self.size, part), array.dtype)
        sent.reshape(-1)[: len(array)] = array
        self._wait(self.comm.Ialltoall(sent, came))
        total = came[0].copy()
        for one in came[1:]:
            total += one
        self._wait(self.comm.Iallgather(total, sent))
        return sent.reshape(-1)[: len(array)].copy()

    def gather(self, numbers: Any) -> Array:
        """(k, n): the n numbers of each of the k ranks, in float64."""
        mine = np.asarray(numbers, np.float64).reshape(-1)
        found = np.empty((self.size, mine.size))
        self._wait(self.comm.Iallgather(mine, found))
        return found

    def largest(self, number: int) -> int:
        """The largest of the ranks' numbers."""
        return int(self.gather(number).max())

    def from_first(self, value: Any) -> Any:
        """The value of rank 0."""
        return self.comm.bcast(value, root=0)

    def require_the_same(self, facts: dict[str, Any]) -> None:
        """Raise StateError on all ranks, which names the rank and the difference, where ``facts`` are not the same."""
        for rank, other in enumerate(found := self.comm.allgather({"minires": __version__} | facts)):
            for name, value in found[0].items():
                if other.get(name) != value:
                    what = ", ".join(_differences(name, value, other.get(name)))
                    self.known = StateError(f"rank {rank} differs from rank 0: {what}: give all ranks the same")
                    raise self.known

    def _wait(self, request):
        began, asked = time.monotonic(), 0
        while not request.Test():
            asked += 1
            if asked > PATIENCE:
                time.sleep(50e-6)
                if self.timeout is not None and time.monotonic() - began > self.timeout:
                    self.end(f"another rank has not answered for {self.timeout:g} s: it hangs, or computes for longer")

    def end(self, words: str) -> None:
        """End all processes of the job, with a message that names this rank, its host and step."""
        message = f"minires: rank {self.rank} on {socket.gethostname()}, step {self.step}: {words}; the job ends"
        print(message, file=Stream(sys.stderr), flush=True)
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

    def same_or_none(self, make: Any) -> Any:
        """``make()``; what it raises on one rank is raised on all, and names the rank unless all have the same."""
        found, error = None, None
        try:
            found = make()
        except MiniresError as caught:
            error = caught
        words = self.comm.allgather(error and str(error))
        if not any(words):
            return found
        rank = next(rank for rank, text in enumerate(words) if text is not None)
        agreed = error if error and len(set(words)) == 1 else StateError(f"rank {rank}: {words[rank]}")
        self.known = agreed
        raise agreed


def require_shares(config: Any, model: Layer, loader: Loader, ranks: Ranks) -> None:
    """Raise RangeError where a rank gets no share of a batch and must, or one image that it cannot train on."""
    size, count = config.batch_size, len(loader.dataset)
    for batch in {min(size, count), count % size or size}:
        if config.batch_norm == "global" and batch < ranks.size:
            raise RangeError(
                f"a batch has {batch} images for {ranks.size} ranks, expected one each for batch_norm='global': "
                "take fewer ranks, or another batch_size"
            )
        least = max(1, batch // ranks.size)
        if config.batch_norm == "local" and least == 1 and batch > 1:
            x = loader.normalize(loader.dataset.images[:1], loader.dtype)
            if error := why_not_one(model, x):
                raise RangeError(
                    f"of a batch of {batch} images a rank of {ranks.size} gets one, which this network cannot train on "
                    f"alone ({error}): take batch_norm='global', or another batch_size"
                )


def _differences(name, first, other):
    if isinstance(first, dict) and isinstance(other, dict):
        return [
            f"{key} is {other.get(key)!r}, not {value!r}" for key, value in first.items() if other.get(key) != value
        ]
    return [f"its {name} are others"] if name in ("data", "weights") else [f"{name} is {other!r}, not {first!r}"]


def fingerprint(data: Any) -> list[int]:
    """The CRC-32 of images and labels of data sets, to compare the ranks by."""
    return [zlib.crc32(np.ascontiguousarray(a).data) for one in data for a in (one.images, one.labels)]


def reseed(model: Layer, seed: int, step: int, rank: int) -> None:
    """Let the sources of randomness of ``model`` begin anew, from (seed, step, rank): nothing of them need be kept."""
    for number, (_, generator) in enumerate(model.generators()):
        kind = type(generator.bit_generator)
        generator.bit_generator.state = kind(np.random.SeedSequence([seed, step, rank, number, 1])).state
