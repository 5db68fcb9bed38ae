"""The ladder of the engine: a training step of ResNet-20, one idea after the other, measured in turn.

    python bench/ladder.py [FOLDER]      leaves ladder.json, .md and .png, by default in bench/results/engine

Rungs on the CPU have times, the steps of all of them one after the other in each round. Those on a GPU have launches
and bytes, which are reckoned: none of them has run on a GPU.
"""

import os
import sys
import time
from pathlib import Path
from unittest import mock

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as the engine has it; the layers get the same

import numpy as np

import minires
from minires.bench.machine import facts
from minires.bench.report import leave
from minires.engine.cpu import cut, executor, kernels
from minires.engine.cpu.helpers import helpers_for
from minires.engine.cuda.forecast import forecast
from minires.losses import SoftmaxCrossEntropy
from minires.train import SGD, train_step

ROOT = Path(__file__).parents[1]
ALL = kernels.KERNELS
PLAIN = (kernels.Pointwise, kernels.Planar, kernels.Im2col)
# (what is new, kernels, whether the batch is cut into chunks, threads, whether they have helpers)
RUNGS = (
    ("the layers, as they are written", None, False, 1, False),
    ("layout (H, W, n, C), fused joins", (kernels.Im2col,), False, 1, False),
    ("in chunks", (kernels.Im2col,), True, 1, False),
    ("1 x 1 and three channels without columns", PLAIN, True, 1, False),
    ("Winograd", ALL, True, 1, False),
    ("two threads", ALL, True, 2, False),
    ("a helper process for the second", ALL, True, 2, True),
)
SETTLED = 2.5  # seconds until there are helpers


def whole(images, little):
    """In the place of cut.chunk_sizes: the batch is one chunk."""
    return [images]


def none(threads, units):
    """In the place of executor.helpers_for."""


def rung(kinds, chunked, threads, helped, network, x, labels):
    """(a training step, its first logits, what computes) of a network with this much of the engine."""
    model = minires.models.build(network, rng=0)
    run = model if kinds is None else minires.compile(model, threads=threads, input_gradient=False)
    sizes, helpers = cut.chunk_sizes if chunked else whole, helpers_for if helped else none
    with (
        mock.patch.object(kernels, "KERNELS", kinds or ALL),
        mock.patch.object(cut, "chunk_sizes", sizes),
        mock.patch.object(executor, "helpers_for", helpers),
    ):
        logits, _ = run.forward(x, train=True)  # the plan is made
    loss, sgd = SoftmaxCrossEntropy(), SGD(model.params(), 0.01)
    return lambda: train_step(run, loss, sgd, x, labels, 0.01), logits.copy(), run


def climb(network="resnet20", batch=64, rounds=15, settled=SETTLED):
    """The result, as ladder.json holds it."""
    rng = np.random.default_rng(0)
    x, labels = rng.standard_normal((batch, 3, 32, 32), dtype=np.float32), rng.integers(0, 10, batch)
    made = {name: rung(*settings, network, x, labels) for name, *settings in RUNGS}
    exact = made[RUNGS[0][0]][1]
    for name, (step, logits, _) in made.items():
        assert abs(logits - exact).max() < 1e-3 * abs(exact).max(), f"{name}: computes something else"
        end = time.perf_counter() + (settled if name == RUNGS[-1][0] else 0)
        step()
        while time.perf_counter() < end:
            step()
    times = {name: [] for name in made}
    for _ in range(rounds):
        for name, (step, *_) in made.items():
            began = time.perf_counter()
            step()
            times[name].append(1e3 * (time.perf_counter() - began))
    first = min(times[RUNGS[0][0]])  # the least: neighbours on the machine only add
    rows = [{"rung": name, "ms": min(found), "times_faster": first / min(found)} for name, found in times.items()]
    return {
        "network": network,
        "batch": batch,
        "rounds": rounds,
        "machine": facts(),
        "cpu": rows,
        "gpu": on_a_gpu(network),
    }


def on_a_gpu(network, batch=128):
    """Launches and megabytes of a step: of the layers only how many launches, counted on the stand-in for CuPy."""
    model, shape = minires.models.build(network, rng=0), (batch, 3, 32, 32)
    rows = [{"rung": "the layers on CuPy", "launches": launches_of_layers(network), "megabytes": None}]
    for precision in ("float32", "bf16"):
        total = forecast(model, shape, precision, "h100").total
        rows.append({"rung": f"engine, {precision}", "launches": total.launches, "megabytes": total.megabytes})
    return rows + [rows[-1] | {"rung": "engine, bf16, as one graph", "launches": 1}]


def launches_of_layers(network):
    """Of one training step, whatever the batch."""
    sys.path.insert(0, str(ROOT / "tests"))
    import cupy_strict

    with mock.patch.dict(sys.modules, {"cupy": cupy_strict}):
        model = minires.models.build(network, rng=0).to(device="cuda")
        loss, sgd = SoftmaxCrossEntropy(), SGD(model.params(), 0.01)
        x = minires.to_device(np.zeros((2, 3, 32, 32), np.float32), "cuda")
        labels = minires.to_device(np.zeros(2, np.int64), "cuda")
        train_step(model, loss, sgd, x, labels, 0.01)
        with cupy_strict.watch() as seen:
            train_step(model, loss, sgd, x, labels, 0.01)
    return len(seen.launches)


def table(result):
    """ladder.md"""
    machine = result["machine"]
    where = f"{machine['processor']}, {machine['cores']} cores, load {machine['load']:.1f}"
    lines = [
        "# The ladder of the engine",
        "",
        f"A training step of {result['network']} with {result['batch']} images; {where}, {machine['date']}. "
        f"The least of {result['rounds']} rounds, in each of which all rungs take a turn.",
        "",
        "| rung | ms | times faster than the layers |",
        "|---|---|---|",
        *(f"| {row['rung']} | {row['ms']:.1f} | {row['times_faster']:.2f} |" for row in result["cpu"]),
        "",
        "On a GPU, with 128 images: reckoned from the launches themselves, not measured.",
        "",
        "| rung | launches | MB moved |",
        "|---|---|---|",
    ]
    for row in result["gpu"]:
        moved = "many" if row["megabytes"] is None else f"{row['megabytes']:.0f}"
        lines.append(f"| {row['rung']} | {row['launches']:,} | {moved} |")
    return "\n".join(lines) + "\n"


def figure(result):
    from matplotlib.figure import Figure

    made = Figure(figsize=(8, 3), layout="constrained")
    panel = made.subplots()
    names = [row["rung"] for row in result["cpu"]]
    bars = panel.barh(names, [row["times_faster"] for row in result["cpu"]], color="#2f6fb3")
    panel.bar_label(bars, fmt="%.2f", padding=3)
    panel.margins(x=0.1)  # room for the label of the longest
    panel.invert_yaxis()
    panel.set_xlabel(f"times faster than the layers: a training step of {result['network']}, {result['batch']} images")
    return made


def main(folder=ROOT / "bench/results/engine"):
    leave(folder, "ladder", climb(), table, figure)


if __name__ == "__main__":
    main(*sys.argv[1:])
