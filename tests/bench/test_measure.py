"""The arithmetic of a run, and small runs through the command line with real, missing, wrong and dying systems."""

import contextlib
import importlib.util
import io
import json
import math
import sys
import textwrap

import numpy as np
import pytest

import minires
from minires import cli
from minires.bench import Case, Options, run_benchmark
from minires.bench.measure import FROZEN, agree, row, with_ratios
from minires.bench.report import COLOURS
from minires.bench.worker.__main__ import MODULES, values
from minires.bench.workers import SYSTEMS, Worker
from minires.errors import RangeError

CASE = Case("train", "resnet8", 2)
KEYS = {"case", "threads", "system", "median_ms", "spread", "ratio_to_engine", "peak_mb"}


def bench(*argv):
    """(exit code, what was printed as JSON, progress)."""
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        code = cli.main(["bench", "cpu", *argv, "--json"])
    return code, json.loads(out.getvalue()), err.getvalue()


# arithmetic


class Named:
    system, threads = "torch", 2


def test_median_and_interquartile_range():
    times = np.random.default_rng(0).exponential(size=10)
    found = row(CASE, Named, list(times))
    low, middle, high = np.percentile(times, [25, 50, 75])
    assert found["median_ms"] == pytest.approx(middle) and found["spread"] == pytest.approx(high - low)
    assert row(CASE, Named, [3.0])["median_ms"] == 3 and row(CASE, Named, [3.0])["spread"] == 0


def test_ratios():
    rows = [{"system": name, "median_ms": ms} for name, ms in (("reference", 9.0), ("engine", 4.0), ("torch", 3.0))]
    assert [row["ratio_to_engine"] for row in with_ratios(rows)] == [2.25, 1, 0.75]
    assert [row["ratio_to_engine"] for row in with_ratios(rows[::2])] == [None, None]


def test_agreement():
    assert agree([2.3, 2.1], [2.3002, 2.1005])
    assert agree([1e3], [1e3 + 0.9])
    assert not agree([2.3, 2.1], [2.31, 2.11])  # another first loss
    assert not agree([2.3, 2.1], [2.3, 2.3])  # no update
    assert not agree([2.3, 2.12], [2.3, 2.1])  # an update that is a tenth too small
    assert not agree([math.nan], [math.nan]) and not agree([2.3, math.nan], [2.3, 2.1])
    assert not agree([2.3], [2.3, 2.1])


def test_who_takes_part():
    everybody = Options()
    assert not everybody.takes_part("torch frozen", CASE) and not everybody.takes_part("engine frozen", CASE)
    assert everybody.takes_part("torch frozen", Case("infer", "resnet8", 2))
    assert everybody.takes_part("dezero", CASE) and not everybody.takes_part("dezero", Case("train", "resnet20", 128))
    asked = Options(systems=("dezero",))
    assert asked.takes_part("dezero", Case("train", "resnet20", 128)) and not asked.takes_part("torch", CASE)


WRONG = {"systems": ("torhc",)}, {"python": {"torhc": "x"}}, {"threads": (0,)}, {"threads": ()}, {"rounds": 0}


@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_wrong_options(wrong):
    with pytest.raises(RangeError, match="expected"):
        Options(**wrong)


# real runs


def test_a_run():
    systems = ["reference", "engine"]
    names = ["train resnet8 b2", "dw conv3x3_4-8@9_s2 b2"]
    code, result, progress = bench("--cases", *names, "--threads", "1", "--rounds", "1", "--systems", *systems)
    assert code == 0 and result["refused"] == [] and result["absent"] == {}
    assert [(row["case"], row["system"]) for row in result["rows"]] == [(n, s) for n in names for s in systems]
    for found in result["rows"]:
        assert found.keys() == KEYS and found["threads"] == 1
        (engine,) = (row for row in result["rows"] if (row["case"], row["system"]) == (found["case"], "engine"))
        assert found["median_ms"] > 0 and found["spread"] == 0
        assert found["ratio_to_engine"] == pytest.approx(found["median_ms"] / engine["median_ms"])
        assert (found["peak_mb"] is None) == ("conv" in found["case"])
        assert found["peak_mb"] is None or found["peak_mb"] > 0.5
    machine = result["machine"]
    assert machine["gemm_gflop_s"]["1"] > 0.1 and machine["copy_gb_s"]["1"] > 0.1
    assert machine["versions"]["reference"] == {"numpy": np.__version__, "minires": minires.__version__}
    assert all(machine[key] for key in ("processor", "cores", "python", "date", "blas", "system"))
    assert [line[:5] for line in progress.splitlines()] == ["[1/2]", "[2/2]"]


@pytest.fixture
def small(monkeypatch):
    """The limits of the machine are not measured again."""
    machine = dict.fromkeys(("processor", "cores", "system", "load", "python", "date", "blas", "kernels"))
    machine |= {"versions": {}, "gemm_gflop_s": {}, "copy_gb_s": {}}
    monkeypatch.setattr("minires.bench.measure.machine", lambda options: machine)
    return "--cases", "forward conv3x3_2@4 b1", "--threads", "1", "--rounds", "1", "--systems"


def stand_in(folder, line):
    """A Python that has a framework of its own kind: it computes ``values`` as given by ``line``."""
    path = folder / "python"
    text = f"""\
        #!{sys.executable}
        import json, sys
        print(json.dumps({{"versions": {{}}}}), flush=True)
        for request in sys.stdin:
            do = json.loads(request)["do"]
            {line}
        """
    path.write_text(textwrap.dedent(text))
    path.chmod(0o755)
    return path


def test_a_network_that_others_lack_is_refused_first(monkeypatch):
    monkeypatch.setattr("minires.bench.measure.machine", lambda options: pytest.fail("something is measured"))
    with pytest.raises(RangeError, match="cannot be given to other systems"):
        run_benchmark(Options(cases=(CASE, Case("train", "densenet_40_12", 1))))


def test_missing_systems_say_why(small, tmp_path):
    path = tmp_path / "python"
    path.write_text("#!/bin/sh\nexit 1\n")
    path.chmod(0o755)
    code, result, _ = bench(*small, "reference", "chainer", "dezero", "--python", f"dezero={path}")
    assert code == 0 and [row["system"] for row in result["rows"]] == ["reference"]
    assert result["absent"]["dezero"].startswith("dezero: its process ended with code 1")
    if importlib.util.find_spec("chainer") is None:
        assert result["absent"]["chainer"] == "ModuleNotFoundError: No module named 'chainer'"


def test_who_computes_something_else_is_not_timed(small, tmp_path):
    lie = 'print(json.dumps({"values": [0.5]} if do == "load" else {"ms": 0.001}), flush=True)'
    code, result, _ = bench(*small, "reference", "chainer", "--python", f"chainer={stand_in(tmp_path, lie)}")
    assert code == 1 and [row["system"] for row in result["rows"]] == ["reference"]
    (refused,) = result["refused"]
    assert (refused["system"], refused["case"], refused["threads"]) == ("chainer", small[1], 1)
    assert refused["reason"].startswith("computes [0.5], reference [")


def test_who_dies_is_reported_and_the_others_go_on(small, tmp_path):
    python = stand_in(tmp_path, "sys.exit(9)")
    code, result, _ = bench(*small, "reference", "dezero", "--python", f"dezero={python}")
    assert code == 1 and [row["system"] for row in result["rows"]] == ["reference"]
    assert "its process ended with code 9" in result["refused"][0]["reason"]


def test_results_are_written(small, tmp_path):
    pytest.importorskip("matplotlib")
    _, result, _ = bench(*small, "reference", "--out", str(tmp_path / "out"))
    assert json.loads((tmp_path / "out/cpu.json").read_text()) == result
    assert small[1] in (tmp_path / "out/cpu.md").read_text()
    assert (tmp_path / "out/cpu.png").read_bytes().startswith(b"\x89PNG")


TASKS = ("train resnet8", "infer resnet8", *(f"{task} conv3x3_3-5@7_s2" for task in ("forward", "dx", "dw")))


@pytest.mark.parametrize("system", ["engine", "engine frozen", "torch channels_last"])
def test_every_system_computes_what_the_layers_do(system, tmp_path):
    with Worker("reference", 1) as reference, Worker(system, 1) as worker:
        if worker.absent:
            pytest.skip(worker.absent)
        for task in TASKS[1:2] if system in FROZEN else TASKS:
            minires.bench.write_subject(Case.parse(f"{task} b2"), tmp_path)
            expected, found = (one.ask("load", folder=str(tmp_path))["values"] for one in (reference, worker))
            assert found == pytest.approx(expected, rel=2e-4, abs=2e-4), task
            assert worker.ask("time", least=0)["ms"] > 0 or "dw" in task


@pytest.mark.parametrize("task", ["forward", "dx", "dw"])
def test_the_three_tasks_of_a_convolution_give_one_number(task, tmp_path):
    """<y, dy> = <dx, x> = <dw, w>."""
    minires.bench.write_subject(Case("forward", "conv3x3_3-5@7_s2", 2), tmp_path)
    with np.load(tmp_path / "arrays.npz") as arrays:
        layer = minires.layers.Conv2d(3, 5, 3, stride=2, padding=1, rng=0)
        layer.weight.data[...] = arrays["weight"]
        expected = (layer(arrays["x"]) * arrays["dy"]).sum() / math.sqrt(arrays["dy"].size)
    minires.bench.write_subject(Case(task, "conv3x3_3-5@7_s2", 2), tmp_path)
    with Worker("reference", 1) as worker:
        assert worker.ask("load", folder=str(tmp_path))["values"] == pytest.approx([expected], rel=1e-5)


def test_the_number_of_an_inference_is_its_cross_entropy():
    rng = np.random.default_rng(0)
    logits, labels = 500 * rng.standard_normal((6, 4)), rng.integers(4, size=6)  # e^500 overflows float32
    expected, _ = minires.losses.SoftmaxCrossEntropy().forward(logits, labels)
    assert values(logits.astype(np.float32), "infer", {"labels": labels}) == pytest.approx([float(expected)])


def test_every_system_has_a_module_and_a_colour():
    assert set(MODULES) == set(COLOURS) == set(SYSTEMS)
