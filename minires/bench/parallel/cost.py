"""What k ranks cost that train together: the alpha-beta model of the reduction, behind backward or after it.

A message of n bytes takes alpha + n beta seconds, whoever sends what else: alpha is the latency, 1 / beta the bandwidth
(Thakur, Rabenseifner and Gropp, *Optimization of collective communication operations in MPICH*, 2005).
What it takes to add the numbers is in the beta that is measured, and left out of those that are assumed.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from ...errors import RangeError

FORWARD = 1 / 3  # of a step: backward has two products of the same size for each of forward's


@dataclass(frozen=True)
class Link:
    """What joins the ranks. latency: alpha, seconds a message   bandwidth: 1 / beta, bytes a second, each way
    source: where the two numbers come from"""

    name: str
    latency: float
    bandwidth: float
    source: str = ""

    def __post_init__(self):
        if not (self.latency >= 0 and self.bandwidth > 0):
            raise RangeError(
                f"{self.name} has latency {self.latency} and bandwidth {self.bandwidth}, expected seconds of at least "
                "0 and bytes a second above 0: change them"
            )


LINKS = (
    Link(
        "10 Gbit/s",
        20e-6,
        1.25e9,
        "the rate of the line; latency between programs by TCP: Hurwitz and Feng, Initial end-to-end performance "
        "evaluation of 10-Gigabit Ethernet, 2003",
    ),
    Link("100 Gbit/s", 14e-6, 12.5e9, "the rate of the line; latency of a hop by network in NCCL's own cost model"),
    Link(
        "NVLink",
        3.4e-6,
        450e9,
        "NVLink 4 of an H100: 900 GB/s, half of it each way; latency of a hop by NVLink in NCCL's own cost model; as "
        "if one switch joined all ranks, where today's join 8 to 256",
    ),
)


def ring(k: int, n: float, link: Link) -> float:
    """Seconds of a ring: 2 (k - 1) alpha + 2 (k - 1) / k n beta.

    In k - 1 turns each rank hands a k-th of the n bytes on and adds, in k - 1 more all get the sums. No algorithm moves
    fewer bytes (Patarasuk and Yuan, *Bandwidth optimal all-reduce algorithms for clusters of workstations*, 2009).
    """
    return 2 * (k - 1) * link.latency + 2 * (k - 1) / k * n / link.bandwidth


def tree(k: int, n: float, link: Link) -> float:
    """Seconds of recursive doubling: log2(k) (alpha + n beta); the partner is twice as far away in each round.

    Where k is no power of two, the ranks beyond the last one hand theirs to another before, and get the sum after: two
    rounds more (Thakur et al.). Few messages, many bytes: for small n.
    """
    rounds = k.bit_length() - 1
    return (rounds + 2 * (k != 2**rounds)) * (link.latency + n / link.bandwidth)


def halving(k: int, n: float, link: Link) -> float:
    """Seconds of Rabenseifner's algorithm: 2 log2(k) alpha + 2 (k - 1) / k n beta, by halves instead of k-ths.

    Where k is no power of two, as in :func:`tree` (Thakur et al.).
    """
    rounds = k.bit_length() - 1
    power = 2**rounds
    core = 2 * rounds * link.latency + 2 * (power - 1) / power * n / link.bandwidth
    return core + 2 * (k != power) * (link.latency + n / link.bandwidth)


def ordered(k: int, n: float, link: Link) -> float:
    """Seconds of minires' own sum in the order of the ranks (:meth:`~minires.train.ranks.Ranks.sum`): those of a ring.

    Each rank sends a k-th of its n bytes to each of k - 1 others, adds what it gets, and sends k - 1 others the sum.
    """
    return ring(k, n, link)


ALGORITHMS: dict[str, Callable[[int, float, Link], float]] = {
    "ring": ring,
    "tree": tree,
    "halving": halving,
    "ordered": ordered,
}


@dataclass(frozen=True)
class Work:
    """A training step of one rank alone: ``seconds`` for ``images``.

    buckets: ((part, bytes), ...): when the part of backward is done, gradients of so many bytes are whole; in order
    """

    name: str
    images: int
    seconds: float
    buckets: tuple[tuple[float, float], ...]

    @property
    def bytes(self) -> float:
        """Of all gradients, which go into a reduction in each step."""
        return sum(size for _, size in self.buckets)

    def share(self, k: int) -> "Work":
        """The largest share of k ranks. Its time is in proportion to its images, which flatters small shares."""
        most = -(-self.images // k)
        return replace(self, images=most, seconds=self.seconds * most / self.images)


def step_seconds(work: Work, k: int, link: Link, algorithm: str = "ordered", overlap: bool = True) -> float:
    """Seconds of a step of k ranks that each do ``work``.

    Bucket i is whole at r_i, and the link has one at a time, so that it is added up at
    e_i = max(r_i, e_{i-1}) + cost(bytes_i); the step is over at max(r, e) of the last. Without overlap r_i is the end
    of backward for all (Li et al., *PyTorch Distributed: experiences on accelerating data parallel training*, 2020).
    """
    if k == 1:
        return work.seconds
    cost, end = ALGORITHMS[algorithm], 0.0
    for part, size in work.buckets:
        ready = work.seconds * (FORWARD + (1 - FORWARD) * part) if overlap else work.seconds
        end = max(ready, end) + cost(k, size, link)
    return max(end, work.seconds)


def images_a_second(work: Work, k: int, link: Link, *, shared: bool = False, **how: Any) -> float:
    """Of k ranks.

    shared: they share one batch of ``work.images``, as ``minires train --parallel mpi`` does; else each has as many as
    one alone   how: algorithm and overlap of :func:`step_seconds`
    """
    if not shared:
        return k * work.images / step_seconds(work, k, link, **how)
    return work.images / step_seconds(work.share(k), min(k, work.images), link, **how)


def efficiency(work: Work, k: int, link: Link, **how: Any) -> float:
    """Images a second of k ranks over k times those of one: above 0, at most 1."""
    return images_a_second(work, k, link, **how) / (k * images_a_second(work, 1, link, **how))


def limits(work: Work, link: Link, most: int = 1024, **how: Any) -> tuple[int | None, int | None]:
    """(k from which on the efficiency is below one half, k beyond which images a second no longer grow), up to ``most``
    ranks; None where that is not reached."""
    rates = [images_a_second(work, k, link, **how) for k in range(1, most + 1)]
    least = next((k for k, rate in enumerate(rates, 1) if rate < k * rates[0] / 2), None)
    best = max(range(most), key=rates.__getitem__) + 1
    return least, None if best == most else best


def cut(layers: list[tuple[float, float]], least: int = 2**18, most: int = 16) -> tuple[tuple[float, float], ...]:
    """The buckets of a network whose layers, first to last, are (multiply-adds, bytes of parameters).

    Backward meets the last layer first, and takes time in proportion to the multiply-adds. A bucket is whole when it
    has ``least`` bytes, or one in ``most`` of all if that is more.
    """
    total = sum(macs for macs, _ in layers)
    size = max(least, math.ceil(sum(n for _, n in layers) / most))
    found, done, filled = [], 0.0, 0.0
    for macs, n in reversed(layers):
        done, filled = done + macs, filled + n
        if filled >= size:
            found.append((min(1.0, done / total), filled))
            filled = 0.0
    if filled:
        found.append((1.0, filled))
    return tuple(found)
