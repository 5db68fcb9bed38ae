"""bench/cores.py: the parts of a step, what is reckoned from them, and the committed table."""

import json
from collections import Counter
from pathlib import Path

import pytest
from engine.plans import plan_of
from scripts import script

from minires.engine.cpu import constants
from minires.engine.cpu.forward import ForwardPlan
from minires.engine.cpu.helpers import helpers_for

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "bench/results/engine"


CASE = {"alone_ms": 10.0, "chunks_ms": 80.0, "units": 4, "phases": 20, "gigabytes": 0.5}


@pytest.mark.parametrize(
    ("count", "expected"), [(1, 90.0), (2, 10 + 40 + 2), (3, 10 + 40 + 2), (4, 10 + 20 + 2), (16, 10 + 20 + 2)]
)
def test_the_fullest_core_decides(count, expected):
    assert script("cores").predicted(CASE | {"gigabytes": 0.0}, count, 100.0, 0.1) == pytest.approx(expected)


def test_a_core_more_moves_no_more_bytes():
    """Half a gigabyte at 10 GB/s are 50 of the 80 ms, or all of them at 5."""
    assert script("cores").predicted(CASE, 4, 10.0, 0.0) == pytest.approx(10 + 30 / 4 + 50)
    assert script("cores").predicted(CASE, 4, 5.0, 0.0) == pytest.approx(10 + 80)


def test_one_chunk_stays_on_one_core():
    assert script("cores").predicted(CASE | {"units": 1}, 16, 100.0, 0.1) == 90.0


@pytest.mark.parametrize(("room", "expected"), [(10**6, {"Join": 3, "Mean": 1}), (0, {})])
def test_what_stays_in_a_cache_lives_in_one_phase_and_is_small(room, expected, monkeypatch):
    """In basic blocks that is the ReLU between the convolutions."""
    monkeypatch.setattr(constants, "WORK", room)
    plan = ForwardPlan(plan_of("resnet8"))
    found = [o for o in plan.plan.operations if script("cores").stays(o.y, plan)]
    assert Counter(type(o).__name__ for o in found) == expected
    assert all(o.path.endswith(("branch.conv2", "head.pool")) for o in found)


@pytest.mark.skipif(helpers_for(2, 2) is None, reason="no memory that two processes see, or no lock of the interpreter")
def test_a_short_run(monkeypatch, tmp_path):
    bench = script("cores")
    monkeypatch.setattr(bench, "settle", lambda steps, seconds_each: [step() for step in steps])
    monkeypatch.setattr(bench, "CASES", (("resnet8", 64, 16),))
    monkeypatch.setattr(bench.reckon, "__defaults__", (bench.CASES, 2))
    monkeypatch.setattr(bench.handover, "__defaults__", (50,))
    bench.main(tmp_path)
    result = json.loads((tmp_path / "cores.json").read_text())
    (case,) = result["cases"]
    assert case["units"] == 4 and 0 < result["handover_ms"] < 50
    assert case["alone_ms"] > 0 and case["chunks_ms"] > 0
    assert case["alone_ms"] + case["chunks_ms"] == pytest.approx(case["predicted_ms"]["1"])
    assert (tmp_path / "cores.md").read_text() == bench.table(result) and (tmp_path / "cores.png").is_file()


def test_what_is_committed_belongs_together():
    bench, result = script("cores"), json.loads((RESULTS / "cores.json").read_text())
    assert (RESULTS / "cores.md").read_text() == bench.table(result)
    for case in result["cases"]:
        for count in bench.CORES:
            found = bench.predicted(case, count, result["memory_gb_s"], result["handover_ms"])
            assert case["predicted_ms"][str(count)] == pytest.approx(found)
        assert "helper" in case["helpers"]
