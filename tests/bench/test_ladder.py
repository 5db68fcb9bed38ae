"""bench/ladder.py: every rung computes the same, and what is committed is of these rungs."""

import json
import sys
from pathlib import Path

import numpy as np
from scripts import script

import minires
from minires.engine.cuda.forecast import forecast
from minires.initializers import Undrawn

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "bench/results/engine"


def test_a_short_climb(tmp_path):
    """Rungs that compute something else would end it."""
    bench = script("ladder")
    before = bench.kernels.KERNELS, bench.cut.chunk_sizes
    result = bench.climb("resnet8", batch=6, rounds=1, settled=0)
    assert [row["rung"] for row in result["cpu"]] == [name for name, *_ in bench.RUNGS]
    assert result["cpu"][0]["times_faster"] == 1 and all(row["ms"] > 0 for row in result["cpu"])
    layers, single, half, graph = result["gpu"]
    assert layers["launches"] > 5 * single["launches"] and layers["megabytes"] is None
    assert half["megabytes"] < 0.7 * single["megabytes"] and graph["launches"] == 1
    assert (bench.kernels.KERNELS, bench.cut.chunk_sizes) == before and "cupy" not in sys.modules
    for row in result["cpu"]:
        assert f"| {row['rung']} | {row['ms']:.1f} |" in bench.table(result)


def test_rungs_have_the_kernels_and_chunks_of_their_names():
    bench = script("ladder")
    x, labels = np.zeros((40, 3, 32, 32), np.float32), np.zeros(40, int)
    plans = {name: bench.rung(*rest, "resnet8", x, labels)[2].describe() for name, *rest in bench.RUNGS[1:]}
    whole, chunks, plain, winograd, threads, helped = plans.values()
    assert "chunks of 40 images" in whole and not any("chunks of 40" in plan for plan in (chunks, winograd, threads))
    assert "winograd" in helped and "helper" not in threads
    assert not any("winograd" in plan for plan in (whole, chunks, plain)) and "winograd" in winograd and whole != chunks
    assert "winograd" in threads and plain.count("im2col") < chunks.count("im2col")


def test_what_is_committed_is_of_these_rungs():
    bench, result = script("ladder"), json.loads((RESULTS / "ladder.json").read_text())
    assert [row["rung"] for row in result["cpu"]] == [name for name, *_ in bench.RUNGS]
    assert (RESULTS / "ladder.md").read_text() == bench.table(result)
    times = [row["times_faster"] for row in result["cpu"]]
    assert times[0] == 1 and times[-1] == max(times)
    for row, precision in zip(result["gpu"][1:], ("float32", "bf16")):
        total = forecast(minires.models.build("resnet20", rng=Undrawn()), (128, 3, 32, 32), precision).total
        assert row["launches"] == total.launches and abs(row["megabytes"] - total.megabytes) < 0.01 * total.megabytes
