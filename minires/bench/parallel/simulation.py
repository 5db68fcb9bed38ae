"""A simulation, event by event, of what no formula has: ranks slow by chance, too few cores, a rank that fails."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...backend import Array
from ...errors import RangeError
from .cost import FORWARD


def finishing_times(work: Array, cores: int, others: float = 0.0) -> Array:
    """(k,) seconds at which each of k ranks has done its ``work`` (k,), in seconds of a core of its own.

    Those that are not done share ``cores`` equally with ``others``, processes that never end, as a fair scheduler has
    it; none has more than one. Events are the ends of ranks: between two all that are left advance at one speed.
    """
    order = np.argsort(work, kind="stable")
    found, now, done = np.empty(len(work)), 0.0, 0.0
    for place, rank in enumerate(order):
        left = len(work) - place
        now += (work[rank] - done) * max(1.0, (left + others) / cores)
        found[rank], done = now, work[rank]
    return found


@dataclass(frozen=True)
class Reduction:
    """How gradients are added up. buckets: ((part of backward that is done, seconds of its reduction), ...)
    overlap: a bucket begins as soon as all ranks have it, else behind the backward of all"""

    buckets: tuple[tuple[float, float], ...] = ()
    overlap: bool = True

    def end(self, times: Array) -> float:
        """When the last bucket is added up, for ranks that are done with backward at ``times`` (k,)."""
        slowest, end = float(times.max()), 0.0
        for part, seconds in self.buckets if len(times) > 1 else ():
            ready = slowest * (FORWARD + (1 - FORWARD) * part) if self.overlap else slowest
            end = max(ready, end) + seconds
        return max(end, slowest)


def synchronous_steps(
    work: Any, reduction: Reduction | None = None, cores: int | None = None, others: Any = 0.0
) -> Array:
    """(steps,) seconds of each of the steps, in which k ranks do ``work`` (steps, k) and wait for each other.

    cores: of the machine that all ranks are on; None gives each one of its own   others: processes that share them too,
    a number, or one for each step
    """
    work = np.asarray(work, np.float64)
    if work.ndim != 2 or not work.size or not (work >= 0).all():
        raise RangeError(
            f"work has the shape {work.shape}, expected (steps, ranks) of seconds of at least 0: change work"
        )
    reduction = reduction or Reduction()
    many = np.broadcast_to(others, len(work))
    return np.array([reduction.end(finishing_times(row, cores or len(row), n)) for row, n in zip(work, many)])


def stragglers(steps: int, ranks: int, seconds: float, spread: float, seed: int) -> Array:
    """(steps, ranks) lognormal times with the mean ``seconds`` and the standard deviation ``spread`` times that."""
    variance = math.log1p(spread**2)
    draws = np.random.default_rng(seed).normal(-variance / 2, math.sqrt(variance), (steps, ranks))
    return seconds * np.exp(draws)


def expected_largest(k: int) -> float:
    """E of the largest of k standard normal numbers, by quadrature: k integral of x phi(x) Phi(x)^(k - 1).

    Ranks whose times are normal, with mean m and deviation s, take m + s times that for a step in which all wait.
    """
    x, spacing = np.linspace(-12, 12, 4801, retstep=True)
    density = np.exp(-x * x / 2) / math.sqrt(2 * math.pi)
    below = np.array([0.5 * math.erfc(-each / math.sqrt(2)) for each in x])
    return float(k * (x * density * below ** (k - 1)).sum() * spacing)


@dataclass(frozen=True)
class Failures:
    """Ranks that fail by chance, all times in seconds.

    mtbf: M, between two failures of the job, that of one rank over the number of ranks   checkpoint: C, to save
    restart: R, until it goes on from the last checkpoint
    """

    mtbf: float
    checkpoint: float
    restart: float

    def best_interval(self) -> float:
        """sqrt(2 C M): work between two checkpoints (Young, *A first order approximation to the optimum checkpoint
        interval*, 1974)."""
        return math.sqrt(2 * self.checkpoint * self.mtbf)

    def expected_seconds(self, work: float, interval: float) -> float:
        """M e^(R / M) (e^((interval + C) / M) - 1) work / interval, exact where times between failures are exponential
        (Daly, *A higher order estimate of the optimum checkpoint interval for restart dumps*, 2006)."""
        m = self.mtbf
        return m * math.exp(self.restart / m) * math.expm1((interval + self.checkpoint) / m) * work / interval

    def simulated_seconds(self, work: float, interval: float, seed: int) -> float:
        """Seconds that one job takes for ``work`` seconds of steps, with a checkpoint after each ``interval``.

        A failure loses what was done since the last checkpoint; one may come while a checkpoint is written, or the job
        restarts. The events are the ends of intervals and failures, whichever is first.
        """
        rng = np.random.default_rng(seed)
        now, done, fails = 0.0, 0.0, rng.exponential(self.mtbf)
        while done < work:
            ready = now + interval + self.checkpoint
            if ready <= fails:
                now, done = ready, done + interval
                continue
            now = fails
            fails = now + rng.exponential(self.mtbf)
            while fails < now + self.restart:  # it fails again before it is up
                now = fails
                fails = now + rng.exponential(self.mtbf)
            now += self.restart
        return now


def agreement(measured: Any, predicted: Any) -> float:
    """How far ``predicted`` is from ``measured``, as a part of it: the median over pairs, measured side by side."""
    return float(np.median(np.asarray(predicted) / np.asarray(measured)) - 1)
