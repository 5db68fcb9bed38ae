"""The whole benchmark: options, a run on threads, its tables and picture."""

import json
import math

import pytest
from bench.parallel.pairs import on_pairs

from minires import models
from minires.bench import Case
from minires.bench.parallel import LINKS, MpiOptions, mpi_figure, mpi_table, plan, run_mpi_benchmark
from minires.bench.parallel.run import RANKS
from minires.errors import RangeError

SMALL = Case("train", "digits_resnet8", 8)
GIVEN = MpiOptions(cases=(SMALL, Case("train", "resnet50", 8)), step_ms={"digits_resnet8": 4.0}, tflops=50)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"cases": (Case("infer", "resnet20", 8),)}, "expected a training"),
        ({"cases": (Case("dx", "conv3x3_8@8", 8),)}, "expected a training"),
        ({"step_ms": {"resnet18": 3.0}}, "'resnet18', which no case has"),
        ({"step_ms": {"resnet20": 0.0}}, "step_ms of resnet20 is 0.0"),
        ({"step_ms": {"resnet20": math.nan}}, "step_ms of resnet20 is nan"),
        ({"tflops": -1.0}, "tflops is -1.0"),
        ({"tflops": math.inf}, "tflops is inf"),
        ({"threads": 0}, "threads is 0"),
        ({"rounds": 0}, "rounds is 0"),
    ],
)
def test_options_that_are_none(options, words):
    with pytest.raises(RangeError, match=words):
        MpiOptions(**options)


@pytest.fixture(scope="module")
def alone():
    return run_mpi_benchmark(GIVEN)


def test_alone_networks_are_reckoned(alone):
    assert alone["mpi"] is None and alone["check"] is None
    assert json.loads(json.dumps(alone)) == alone
    small, large = alone["steps"]
    assert (small["ms"], small["source"], large["source"]) == (4.0, "given", "50 TFLOP/s")
    assert large["bytes"] == 4 * models.certify("resnet50", image=224).params
    assert len(alone["rows"]) == 2 * len(LINKS) * 2
    for row in alone["rows"]:
        found = list(row["efficiency"].values())
        assert row["efficiency"].keys() == {str(k) for k in RANKS} and found[0] == 1
        assert all(a >= b - 1e-12 for a, b in zip(found, found[1:])), "twice the ranks are never more efficient"
        below = [k for k in RANKS if row["efficiency"][str(k)] < 0.5]
        assert not below or row["half"] <= below[0]
    faster = {row["link"]: row["efficiency"]["64"] for row in alone["rows"] if not row["shared"]}
    assert faster["10 Gbit/s"] < faster["100 Gbit/s"] < faster["NVLink"]


def test_on_ranks_messages_are_measured():
    lines = []
    options = MpiOptions(cases=(SMALL,), rounds=2, seconds=0.1, check=SMALL)
    found = on_pairs(3, lambda comm: run_mpi_benchmark(options, comm, lines.append))
    assert found[1:] == [None, None]
    result = json.loads(json.dumps(found[0]))
    assert result["mpi"]["ranks"] == 3 and result["check"]["ranks"] == 3
    for name in ("ping_pong", "sum"):
        one = result["mpi"][name]
        assert one["bandwidth"] > 0 and len(one["off"]) == len(one["points"]) > 3
    assert result["steps"][0]["source"] == "measured" and result["steps"][0]["ms"] > 0
    assert len(lines) == 3, "one rank speaks"
    assert "3 ranks on" in mpi_table(result) and "sums of 3 ranks" in mpi_table(result)


def test_the_table_has_all_rows(alone):
    found = mpi_table(alone)
    assert found.startswith("# Training on many ranks, ") and "measured" not in found
    for row in alone["rows"]:
        assert f"| {row['case']}, {row['link']}" in found
        assert f"{row['efficiency']['64']:.3f}" in found
    assert all(link.source in found for link in LINKS)
    tables = [line for line in found.splitlines() if line.startswith("|")]
    assert len(tables) == (2 + 2) + 2 * (2 + 6)


def test_the_picture_has_a_line_for_each_row(alone):
    pytest.importorskip("matplotlib")
    figure = mpi_figure(alone)
    assert [len(ax.lines) - 1 for ax in figure.axes] == [6, 6]  # and the half
    first = figure.axes[0].lines[0]
    assert list(first.get_ydata()) == list(alone["rows"][0]["efficiency"].values())
    assert list(first.get_xdata()) == list(RANKS)
    figure.canvas.draw()


def test_a_plan_measures_nothing(monkeypatch):
    monkeypatch.setattr("minires.bench.parallel.run.step_times", lambda *args: pytest.fail("it has begun"))
    text = plan(MpiOptions(cases=(SMALL,)), 4)
    assert "time of a step: measured" in text and "MPI, 4 ranks" in text and all(link.source in text for link in LINKS)
    assert "mpiexec -n 2 minires bench mpi" in plan(GIVEN)
