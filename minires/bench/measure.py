"""Rounds of turns: every system repeats the case once, one after the other, until there are enough of them."""

import concurrent.futures
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from .. import models
from ..errors import RangeError, StateError
from .cases import Case, select
from .machine import facts
from .subject import nodes_of, write_subject
from .workers import SYSTEMS, Worker

PAUSE = 0.025  # seconds between turns: idle threads of the last system fall asleep
LEAST = 0.04  # seconds of a turn: shorter steps are repeated, behind one that wakes threads and caches
LEAST_ROUNDS = 3
# Of the first loss, logits or convolution, relative to values of 1 and more; and of what a training step changes the
# loss by, which rounding, and ReLUs that it switches, alter by a per cent in deep networks
TOLERANCE, CHANGE_TOLERANCE = 1e-3, 0.05
# Of the peers that are some ten times slower: multiply-adds of the cases that they take part in unless asked for
SLOW, SLOW_MACS = ("chainer", "dezero"), 2e9
FROZEN = ("engine frozen", "torch frozen")  # inference alone


@dataclass(frozen=True)
class Options:
    """What a run measures. ``seconds``: rounds of a case begin within them, three at least; ``rounds`` at most.

    systems: names, all that there are if empty   python: {system: path of the Python that has it}
    memory: whether to measure the peaks of networks too, each in a fresh process
    """

    cases: tuple = field(default_factory=select)
    threads: tuple = (1, 2)
    systems: tuple = ()
    rounds: int = 9
    seconds: float = 5.0
    memory: bool = True
    python: dict = field(default_factory=dict)

    def __post_init__(self):
        for name in (*self.systems, *self.python):
            if name not in SYSTEMS:
                raise RangeError(f"system is {name!r}, expected one of {', '.join(SYSTEMS)}")
        for name, path in self.python.items():
            if shutil.which(path) is None:
                raise RangeError(f"python of {name} is {path!r}, expected a program: give the path of a Python")
        for name, values in (("threads", self.threads), ("rounds", (self.rounds,))):
            if not values or min(values) < 1:
                raise RangeError(f"{name} is {' '.join(map(str, values))!r}, expected integers of at least 1")

    def takes_part(self, system: str, case: Case) -> bool:
        """Whether ``system`` runs ``case``."""
        if self.systems and system not in self.systems:
            return False
        if system in FROZEN and case.task != "infer":
            return False
        return bool(self.systems) or system not in SLOW or case.macs <= SLOW_MACS


def run_benchmark(options: Options, progress: Callable[[str], Any] = lambda line: None) -> dict[str, Any]:
    """Measure; return what ``--json`` prints.

    machine: processor, cores, versions, limits, date   absent: {system: why it did not run}
    rows: a dict for each case, threads and system: ``median_ms``, ``spread`` (interquartile range, ms),
    ``ratio_to_engine`` (its median over that of the engine, None without one), ``peak_mb`` (above what the imports
    took, with the most threads asked for; None if not measured)
    refused: the same first three keys, and ``reason``: who failed or computed something else, and was not timed
    Raises RangeError for a network with layers that the others lack.
    """
    for name in {case.subject for case in options.cases if case.conv is None}:
        nodes_of(models.build(name, rng=0))  # a network that others cannot run is refused before anything is timed
    result = {"machine": machine(options), "absent": {}, "rows": [], "refused": []}
    count = len(options.cases)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        crew = Crew(options, stack, result)
        for number, case in enumerate(options.cases, start=1):
            write_subject(case, folder)
            peaks = crew.peaks(case, folder) if options.memory and case.conv is None else {}
            for threads in options.threads:
                rows = measure(case, crew.ready(case, threads), folder, options, result["refused"])
                rows = [row | {"peak_mb": peaks.get(row["system"])} for row in with_ratios(rows)]
                result["rows"] += rows
                found = ", ".join(f"{row['system']} {row['median_ms']:.4g}" for row in rows)
                plural = "" if threads == 1 else "s"
                progress(f"[{number}/{count}] {case.name}, {threads} thread{plural}, ms: {found or 'nothing'}")
    return result


class Crew:
    """The workers: one for each system and number of threads, started when first needed."""

    def __init__(self, options, stack, result):
        self.options, self.stack, self.result = options, stack, result
        self.workers = {}

    def ready(self, case, threads):
        """The workers that can run ``case``; new ones for those whose process has ended."""
        found = []
        for system in SYSTEMS:
            if not self.options.takes_part(system, case) or system in self.result["absent"]:
                continue
            worker = self.workers.get((system, threads))
            if worker is None or not worker.is_alive:
                worker = self.stack.enter_context(self._start(system, threads))
                self.workers[system, threads] = worker
            if worker.absent:
                self.result["absent"][system] = worker.absent
            else:
                self.result["machine"]["versions"][system] = worker.versions
                found.append(worker)
        return found

    def peaks(self, case, folder):
        """{system: peak memory in MB above what the imports took}, each in a fresh process."""
        threads = max(self.options.threads)
        systems = [worker.system for worker in self.ready(case, threads)]
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:  # nothing is timed meanwhile
            return dict(zip(systems, pool.map(lambda system: self._peak(system, threads, folder), systems)))

    def _peak(self, system, threads, folder):
        with self._start(system, threads) as worker:
            try:
                worker.ask("load", folder=str(folder))  # two training steps, or one inference
                return round(worker.ask("memory")["mb"], 1)
            except StateError:  # it will fail again, and be listed, when it is timed
                return None

    def _start(self, system, threads):
        return Worker(system, threads, self.options.python.get(system))


def measure(case, workers, folder, options, refused):
    """Rows of one case with one number of threads; who fails or disagrees is put into ``refused``."""
    times, expected = {}, None

    def refuse(worker, reason):
        times.pop(worker, None)
        refused.append({"case": case.name, "threads": worker.threads, "system": worker.system, "reason": reason})

    for worker in workers:
        try:
            found = worker.ask("load", folder=str(folder))["values"]
        except StateError as error:
            refuse(worker, str(error))
            continue
        expected = found if expected is None else expected
        if agree(found, expected):
            times[worker] = []
        else:
            refuse(worker, f"computes {found}, {workers[0].system} {expected}: not the same mathematics")
    start = time.monotonic()
    for number in range(options.rounds):
        if number >= LEAST_ROUNDS and time.monotonic() - start > options.seconds:
            break
        for worker in list(times):
            time.sleep(PAUSE)
            try:
                times[worker].append(worker.ask("time", least=LEAST)["ms"])
            except StateError as error:
                refuse(worker, str(error))
    return [row(case, worker, found) for worker, found in times.items()]


def agree(found, expected):
    """Whether two systems compute the same: a value, or the losses before and after a training step."""
    if len(found) != len(expected) or not abs(found[0] - expected[0]) <= TOLERANCE * max(1, abs(expected[0])):
        return False  # NaN too
    changes = [(a - found[0], b - expected[0]) for a, b in zip(found[1:], expected[1:])]
    return all(abs(a - b) <= max(TOLERANCE, CHANGE_TOLERANCE * abs(b)) for a, b in changes)


def row(case, worker, times):
    """Median and interquartile range of ``times``, in ms."""
    low, middle, high = statistics.quantiles(times, n=4, method="inclusive") if len(times) > 1 else 3 * times
    return {
        "case": case.name,
        "threads": worker.threads,
        "system": worker.system,
        "median_ms": middle,
        "spread": high - low,
    }


def with_ratios(rows):
    """The rows of one case and number of threads, each with the ratio of its median to that of the engine."""
    engine = next((row["median_ms"] for row in rows if row["system"] == "engine"), None)
    return [row | {"ratio_to_engine": row["median_ms"] / engine if engine else None} for row in rows]


def machine(options):
    """What is measured on, its load average of a minute before, its limits with one thread and with the most."""
    known, limits = facts(), {}
    for threads in sorted({1, max(options.threads)}):
        with Worker("reference", threads) as worker:
            limits[threads] = worker.ask("limits")
    return known | {
        "blas": limits[1]["blas"],
        "kernels": limits[1]["kernels"],
        "gemm_gflop_s": {threads: found["gemm_gflop_s"] for threads, found in limits.items()},
        "copy_gb_s": {threads: found["copy_gb_s"] for threads, found in limits.items()},
        "versions": {},
    }
