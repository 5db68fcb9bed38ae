"""Latency and bandwidth of the MPI that is here, and how well these two numbers describe it."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...train.ranks import Ranks
from .cost import Link

SIZES = (8, 256, 4096, 2**15, 2**18, 2**20, 2**22)  # bytes
TAG = 11


def ping_pong(comm: Any, sizes: Sequence[int] = SIZES, rounds: int = 30) -> list[tuple[int, float]]:
    """[(bytes, seconds)] of one message from rank 0 to rank 1 of a communicator of mpi4py: half of there and back.

    The least of ``rounds``, since neighbours on the machine only add. Ranks beyond the second wait without taking a
    core from them; all get the same list.
    """
    ranks = Ranks(comm)
    found = []
    for size in sizes:
        there, back = np.zeros(size, np.uint8), np.empty(size, np.uint8)

        def once(there=there, back=back):
            if ranks.rank == 0:
                comm.Send(there, 1, TAG)
                comm.Recv(back, 1, TAG)
            elif ranks.rank == 1:
                comm.Recv(back, 0, TAG)
                comm.Send(there, 0, TAG)

        found.append((size, float(_times(once, rounds, ranks).min()) / 2))
    ranks.free()
    return found


def reductions(
    ranks: Ranks, sizes: Sequence[int] = SIZES, rounds: int = 30, of: Callable[[Any], Any] = np.min
) -> list[tuple[int, float]]:
    """[(bytes, seconds)] of :meth:`~minires.train.ranks.Ranks.sum` on float32, ``of`` the times of ``rounds``."""
    found = []
    for size in sizes:
        array = np.ones(size // 4, np.float32)
        found.append((size, float(of(_times(lambda array=array: ranks.sum(array), rounds, ranks)))))
    return found


def _times(work, rounds, ranks):
    """(rounds,) seconds of ``work``, which all ranks begin together; of the slowest rank each time."""
    work()
    times = []
    for _ in range(rounds):
        ranks.gather([])
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return ranks.gather(times).max(axis=0)


def fit(points: Sequence[tuple[float, float]], k: int = 0) -> tuple[Link, list[float]]:
    """(the :class:`~.cost.Link` whose times are closest to ``points``, by how much of each it is off).

    points: [(bytes, seconds), ...] of one message, or with k of a ring of k ranks. The squares of what it is off, as a
    part of each time, have the least sum: otherwise the largest messages alone would count.
    """
    n, seconds = np.array(points, float).T
    messages, moved = (2 * (k - 1), 2 * (k - 1) / k * n) if k else (1, n)
    columns = np.stack([messages / seconds, moved / seconds], axis=1)
    alpha, beta = np.linalg.lstsq(columns, np.ones(len(n)), rcond=None)[0]
    if alpha < 0 or beta <= 0:  # one of the two is not seen in these times
        one = 1 if alpha < 0 else 0
        best = columns[:, one].sum() / (columns[:, one] ** 2).sum()
        alpha, beta = (0.0, best) if one else (best, 1e-18)
    link = Link("this machine", float(alpha), float(1 / beta), "measured")
    return link, [float(error) for error in columns @ [alpha, beta] - 1]


def described(points: Sequence[tuple[int, float]], k: int = 0) -> dict[str, Any]:
    """What ``--json`` says of measured times: points, alpha in seconds, bytes a second, by what part each is off."""
    link, off = fit(points, k)
    return {
        "points": [list(point) for point in points],
        "latency": link.latency,
        "bandwidth": link.bandwidth,
        "off": off,
    }
