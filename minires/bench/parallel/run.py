"""``minires bench mpi``: what is measured here, and what the model makes of it for 1 to 1,024 ranks."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...errors import RangeError
from ...train.ranks import Ranks
from ..cases import Case
from ..machine import facts
from .cost import LINKS, Link, Work, efficiency, limits
from .network import SIZES, described, ping_pong, reductions
from .steps import Trainer, compare, seconds_at, step_times, work_of

CASES = (Case("train", "resnet20", 128), Case("train", "resnet50", 8), Case("train", "resnet152", 8))
RANKS = tuple(2**power for power in range(11))
CHECK = Case("train", "resnet20", 16)


@dataclass(frozen=True)
class MpiOptions:
    """What a run reckons with.

    cases: trainings, each for one rank   threads: of a step that is measured   step_ms: {network: milliseconds a step},
    not measured then   tflops: 10^12 operations a second of a device that all other steps are reckoned for
    rounds, seconds: of each measurement, at most   check: what all ranks train to compare the model with
    """

    cases: tuple[Case, ...] = CASES
    threads: int = 1
    step_ms: dict[str, float] = field(default_factory=dict)
    tflops: float | None = None
    rounds: int = 9
    seconds: float = 20.0
    check: Case = CHECK

    def __post_init__(self):
        for case in self.cases:
            if case.task != "train":
                raise RangeError(f"case is {case.name!r}, expected a training: 'train resnet20 b128'")
        for name, ms in self.step_ms.items():
            if name not in {case.subject for case in self.cases}:
                raise RangeError(f"step_ms names {name!r}, which no case has: add --cases 'train {name} b8'")
            if not (ms > 0 and math.isfinite(ms)):
                raise RangeError(f"step_ms of {name} is {ms}, expected milliseconds above 0: change it")
        if self.tflops is not None and not (self.tflops > 0 and math.isfinite(self.tflops)):
            raise RangeError(f"tflops is {self.tflops}, expected a number above 0: change tflops")
        for name in ("threads", "rounds"):
            if getattr(self, name) < 1:
                raise RangeError(f"{name} is {getattr(self, name)}, expected an integer of at least 1: change {name}")

    def source(self, case: Case) -> str:
        """Where the time of a step of ``case`` comes from."""
        if case.subject in self.step_ms:
            return "given"
        return "measured" if self.tflops is None else f"{self.tflops:g} TFLOP/s"


def run_mpi_benchmark(
    options: MpiOptions, comm: Any = None, progress: Callable[[str], Any] = lambda line: None
) -> dict[str, Any] | None:
    """Measure on all ranks of ``comm`` (None: one process), predict on rank 0; return there what ``--json`` prints.

    machine: processor, cores, date   mpi: None, or the number of ranks, and the times of one message and of the sums
    of all ranks with the latency and bandwidth that are closest to them   check: None, or measured steps of all ranks
    beside the expected ones, in seconds   steps: of each case its milliseconds, their source, bytes of gradients and
    buckets   links: what is assumed of networks   rows: for each case and link, with a batch for each rank and with one
    that all share, the efficiency by ranks, where it falls below one half, and where images a second no longer grow
    (None: not up to 1,024)
    """
    size = 1 if comm is None else comm.Get_size()
    network = check = None
    if size > 1:
        ranks = Ranks(comm)
        first = ranks.rank == 0
        say = progress if first else lambda line: None
        with ranks.together():
            say(f"MPI: messages and sums of {size} ranks")
            sums = reductions(ranks)
            network = {"ranks": size, "ping_pong": described(ping_pong(comm)), "sum": described(sums, size)}
            say(f"MPI: steps of {size} ranks, {options.check.name}")
            check = compare(options.check, ranks, options.rounds)
            found = predicted(options, progress) if first else None
            ranks.gather([])  # the others wait without taking a core
        ranks.free()
        if found is None:
            return None
    else:
        found = predicted(options, progress)
    return {"machine": facts(), "mpi": network, "check": check} | found


def predicted(options: MpiOptions, progress: Callable[[str], Any] = lambda line: None) -> dict[str, Any]:
    """The part of the result that needs no other rank: steps, links, rows."""
    steps, rows = [], []
    for case in options.cases:
        progress(f"{case.name}: {options.source(case)}")
        work, spread = _work(case, options)
        steps.append(
            {"case": case.name, "ms": 1e3 * work.seconds, "spread": spread, "source": options.source(case)}
            | {"bytes": work.bytes, "buckets": [list(bucket) for bucket in work.buckets]}
        )
        rows += [row(case, work, link, shared) for shared in (False, True) for link in LINKS]
    return {"steps": steps, "links": [vars(link) for link in LINKS], "rows": rows}


def row(case: Case, work: Work, link: Link, shared: bool) -> dict[str, Any]:
    """The prediction for one network by one link."""
    parts = {str(k): efficiency(work, k, link, shared=shared) for k in RANKS}
    half, most = limits(work, link, RANKS[-1], shared=shared)
    return {"case": case.name, "link": link.name, "shared": shared, "efficiency": parts, "half": half, "most": most}


def _work(case, options):
    """(Work, interquartile range in ms or None)."""
    if case.subject in options.step_ms:
        return work_of(case, options.step_ms[case.subject] / 1e3), None
    if options.tflops is not None:
        return work_of(case, seconds_at(case, options.tflops)), None
    times = step_times(Trainer.of(case, options.threads), options.rounds, options.seconds)
    low, middle, high = np.percentile(times, (25, 50, 75))
    return work_of(case, float(middle)), float(1e3 * (high - low))


def plan(options: MpiOptions, size: int = 1) -> str:
    """What a run would measure and reckon with, without doing it."""
    lines = [
        f"{case.name}: {case.macs / 1e9:.3g} GMAC, time of a step: {options.source(case)}" for case in options.cases
    ]
    if size > 1:
        lines += [f"MPI, {size} ranks: one message and sums of {SIZES[0]} to {SIZES[-1]:,} bytes; {options.check.name}"]
    else:
        lines += ["one process, MPI is not measured: mpiexec -n 2 minires bench mpi"]
    lines += [f"{link.name}: {_link(link)} ({link.source})" for link in LINKS]
    return "\n".join(lines) + "\n"


def _link(link):
    return f"latency {1e6 * link.latency:.3g} us, {link.bandwidth / 1e9:.3g} GB/s"
