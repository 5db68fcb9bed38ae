"""What more cores would give: a training step on 1 to 16 of them, reckoned from parts that are measured on one or two.

    python bench/cores.py [FOLDER]      leaves cores.json, .md and .png, by default in bench/results/engine

    T(k) = S + (P - M / B) u(k) + M / B + phases H

S: what one thread does alone (sums over chunks, filters, layers on whole arrays, the optimiser), by the step on one
thread less P, what it spends in chunks. M / B: of that, moving the bytes that no core keeps in its cache, each once, at
the rate of the memory, which more cores do not make faster. u(k): the share of the chunks that the fullest of k cores
has. H: to tell a helper process what to do and to learn that it has, which is measured with nothing to do.

Beside it: two threads without helpers, and PyTorch on one thread divided by k, which is its ideal, where it is there.
"""

import json
import math
import os
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

import minires
from minires.bench.machine import facts
from minires.bench.report import leave
from minires.bench.worker.__main__ import seconds
from minires.engine.cpu import constants, executor
from minires.engine.cpu.helpers import helpers_for
from minires.engine.cpu.memory import Chunk
from minires.engine.cpu.phases import Phase
from minires.engine.describe import _bytes
from minires.losses import SoftmaxCrossEntropy
from minires.train import SGD, train_step

ROOT = Path(__file__).parents[1]
CORES = (1, 2, 4, 8, 16)
BUILDS = 3  # times that each network is built: where its memory lies moves a step by some 5 %
CASES = (("resnet20", 32, 32), ("resnet20", 128, 32), ("resnet18", 8, 224))


def training(name, batch, size, threads, helped=True):
    """(a step, its compiled network)"""
    model = minires.models.build(name, rng=0)
    fast = minires.compile(model, threads=threads, input_gradient=False)
    loss, sgd = SoftmaxCrossEntropy(), SGD(model.params(), 0.01, momentum=0.9)
    rng = np.random.default_rng(0)
    x, labels = rng.standard_normal((batch, 3, size, size), dtype=np.float32), rng.integers(0, 10, batch)

    def step():
        train_step(fast, loss, sgd, x, labels, 0.01)

    with mock.patch.object(executor, "helpers_for", helpers_for if helped else lambda *_: None):
        step()
    return step, fast


def run_of(fast):
    (run,) = fast._executors.values()
    return run


def in_chunks(fast):
    """Seconds that all threads have spent in chunks so far."""
    crews = run_of(fast).free["crews"]
    return sum(sum(spent) for crew in crews for seat in crew for spent in seat.spent.values())


def held(fast):
    """Milliseconds of a step in which a thread has the interpreter's lock: what its calls take with one number each."""
    costs, total = {}, 0.0
    for noted in run_of(fast).records.values():
        for _, lists in noted.values():
            for function, arguments in (call for calls in lists for call in calls):
                key = function, *(a.ndim if isinstance(a, np.ndarray) else None for a in arguments)
                if key not in costs:
                    costs[key] = cost(function, arguments)
                total += costs[key]
    return 1e3 * total


def cost(function, arguments, rounds=100):
    """Seconds of a call without its work. What does not take arrays of one number is small itself, on zeros."""
    small = [a[(slice(1),) * a.ndim].copy() if isinstance(a, np.ndarray) else a for a in arguments]
    whole = [np.zeros_like(a) if isinstance(a, np.ndarray) else a for a in arguments]
    try:
        return min(seconds(lambda: function(*small)) for _ in range(rounds))
    except (ValueError, TypeError):
        return min(seconds(lambda: function(*whole)) for _ in range(rounds))


def settle(steps, seconds_each):
    """Take turns until helpers are there."""
    end = time.perf_counter() + seconds_each * len(steps)
    while time.perf_counter() < end:
        for step in steps:
            step()


def measure(name, batch, size, rounds):
    """The parts of a step, and what was measured, in milliseconds: the least of the rounds of all builds."""
    least, parts = {}, []
    for _ in range(BUILDS):
        one, fast = training(name, batch, size, 1)
        two, helped = training(name, batch, size, 2)
        threads, _ = training(name, batch, size, 2, helped=False)
        settle([one, two, threads], 2.5)
        for _ in range(rounds):
            for label, step in (("one", one), ("two", two), ("threads", threads)):
                step()
                before = in_chunks(fast)
                took = seconds(step)
                if label == "one":
                    parts.append((took, in_chunks(fast) - before))
                least[label] = min(took, least.get(label, math.inf))
    whole, chunks = min(parts)
    run = run_of(fast)
    helpers = run_of(helped).helpers
    plan = run.forward_plan
    values = sum(_bytes(run.plan, o) for o in run.plan.operations if not stays(o.y, plan))
    large = sum(n for n in (getattr(step, "numbers", 0) for step in plan.steps.values()) if n > constants.BLOCK)
    return {
        "network": name,
        "batch": batch,
        "size": size,
        "units": len(plan.cut.units),
        "phases": len(plan.phases) + len(run.backward_plan.phases),
        "helpers": str(helpers),
        "alone_ms": 1e3 * (whole - chunks),
        "chunks_ms": 1e3 * chunks,
        "held_ms": held(fast),
        # forward reads and writes each value; backward the value, its gradient, and that of the weights' input; each
        # unit also the filters that are too large for a cache, forward, backward and for their gradient
        "gigabytes": 3 * (values + len(plan.cut.units) * large * run.plan.dtype.itemsize) / 1e9,
        "measured_ms": {label: 1e3 * took for label, took in least.items()},
    }


def stays(value, plan):
    """Whether a value lives within one phase, and a chunk of it in the cache of the core."""
    if plan.places.get(value, "again") == "again":  # what is made again is also read by another phase
        return False
    return Chunk.numbers(max(plan.cut.sizes), *plan.rooms.form(value)) <= constants.WORK


def handover(rounds=2000):
    """Milliseconds from telling a helper to do nothing to knowing that it has, the median."""
    helpers, phase, units = helpers_for(2, 2), Phase(), [[0], [1]]
    frame, seats = SimpleNamespace(form=lambda phase: None), [SimpleNamespace(grown=0, spent={}) for _ in units]
    calls = {(phase, i): ((0, None), []) for (i,) in units}
    helpers.note(math.inf, [(calls, [phase])], units, seats)
    while not helpers.ready():
        time.sleep(0.01)
    found = sorted(
        seconds(lambda: helpers.share(lambda unit, seat: None, phase, frame, calls, units, seats))
        for _ in range(rounds)
    )
    helpers.stop()
    return 1e3 * found[rounds // 2]


def memory_rate(size=2**26):
    """GB/s of an addition in place, the best of six: a copy would first read what it is to write over."""
    a, b = np.ones((2, size), np.float32)
    return 3 * a.nbytes / min(seconds(lambda: np.add(a, b, out=a)) for _ in range(6)) / 1e9


def predicted(case, cores, rate, hand):
    """Milliseconds of a step. rate: GB/s of the memory   hand: milliseconds of a handover"""
    share = math.ceil(case["units"] / cores) / case["units"]
    told = case["phases"] * hand if cores > 1 and case["units"] > 1 else 0.0
    moving = min(1e3 * case["gigabytes"] / rate, case["chunks_ms"])
    return case["alone_ms"] + (case["chunks_ms"] - moving) * share + moving + told


def ideal_of_torch(case):
    """PyTorch's milliseconds on one thread, by its ratio to the engine in cpu_avx512.json; None where that has none."""
    name = f"train {case['network']} b{case['batch']}"
    for row in json.loads((ROOT / "bench/results/cpu_avx512.json").read_text())["rows"]:
        if (row["case"], row["threads"], row["system"]) == (name, 1, "torch channels_last"):
            return row["ratio_to_engine"] * case["measured_ms"]["one"]
    return None


def reckon(cases=CASES, rounds=9):
    """The result, as cores.json holds it."""
    measured, rate, hand = [measure(*case, rounds) for case in cases], memory_rate(), handover()
    for case in measured:
        case["predicted_ms"] = {str(k): predicted(case, k, rate, hand) for k in CORES}
        case["torch_ms"] = ideal_of_torch(case)
    return {"machine": facts(), "rounds": rounds, "memory_gb_s": rate, "handover_ms": hand, "cases": measured}


HEAD = """# What more cores would give

A training step, ms; {where}. The least of {builds} x {rounds} rounds, in each of which all take a turn. The memory gives {rate:.0f} GB/s;
to tell a helper process and to know that it is done takes {hand:.0f} us. How it is reckoned stands in `bench/cores.py`.

| step | units | alone | in chunks | with the lock | 1 core: measured, reckoned | 2: measured, reckoned | 4 | 8 | 16 | two threads |
|---|---|---|---|---|---|---|---|---|---|---|
"""  # noqa: E501


def table(result):
    """cores.md"""
    machine = result["machine"]
    where = f"{machine['processor']}, {machine['cores']} cores, load {machine['load']:.1f}, {machine['date']}"
    rows = []
    for case in result["cases"]:
        of, found = case["measured_ms"], [f"{case['predicted_ms'][str(k)]:.0f}" for k in CORES]
        both = [f"{of[name]:.0f}, {ms}" for name, ms in zip(("one", "two"), found)]
        parts = [f"{case[part]:.1f}" for part in ("alone_ms", "chunks_ms", "held_ms")]
        cells = [case["units"], *parts, *both, *found[2:]]
        rows.append(" | ".join([f"{case['network']} b{case['batch']}", *map(str, cells), f"{of['threads']:.0f}"]))
    rate, hand = result["memory_gb_s"], 1e3 * result["handover_ms"]
    head = HEAD.format(where=where, builds=BUILDS, rounds=result["rounds"], rate=rate, hand=hand)
    return head + "".join(f"| {row} |\n" for row in rows)


def figure(result):
    from matplotlib.figure import Figure

    made = Figure(figsize=(9, 3.2), layout="constrained")
    panels = made.subplots(1, len(result["cases"]), squeeze=False)[0]
    for panel, case in zip(panels, result["cases"]):
        one = case["measured_ms"]["one"]
        faster = [one / case["predicted_ms"][str(k)] for k in CORES]
        panel.plot(CORES, faster, "o-", color="#2f6fb3", label="engine, reckoned")
        panel.plot([1, 2], [1, one / case["measured_ms"]["two"]], "s", color="#c44e52", label="measured")
        if case["torch_ms"]:
            panel.plot(CORES, [k * one / case["torch_ms"] for k in CORES], ":", color="#777777", label="PyTorch, ideal")
        panel.set_xscale("log", base=2)
        panel.set_yscale("log", base=2)
        panel.set_xticks(CORES, map(str, CORES))
        panel.set_yticks([1, 2, 4, 8, 16], ["1", "2", "4", "8", "16"])
        panel.set_title(f"{case['network']}, batch {case['batch']}")
        panel.set_xlabel("cores")
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("times as fast as the engine on one")
    panels[0].legend(fontsize="small")
    return made


def main(folder=ROOT / "bench/results/engine"):
    leave(folder, "cores", reckon(), table, figure)


if __name__ == "__main__":
    main(*sys.argv[1:])
