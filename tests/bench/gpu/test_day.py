"""The day a GPU is lent, without one: the dry run is the same code on the emulation."""

import json
import os
import resource
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from minires.bench.gpu import DayOptions, day, gpu_table, run_gpu_day
from minires.cli import main
from minires.errors import DeviceError, RangeError, StateError

ROOT = Path(__file__).parents[3]


def only(part, **settings):
    return DayOptions(dry_run=True, parts=(part,), **settings)


def test_the_card_and_its_ceilings(tmp_path):
    seen = []

    def progress(line):
        if (tmp_path / "gpu.json").exists():
            seen.append(len(json.loads((tmp_path / "gpu.json").read_text())["parts"]["card"]["rows"]))

    result = run_gpu_day(only("card"), str(tmp_path), progress)
    part = result["parts"]["card"]
    assert part["state"] == "done" and part["rows"][0]["card"] == "Stand-in"
    ceilings = [row["ceiling"] for row in part["rows"][1:]]
    products = ["product of ours, tf32", "product of ours, bf16", "product of cuBLAS, tf32"]
    assert ceilings == ["copy", *products]
    assert all(row["ms"] > 0 for row in part["rows"][1:])
    assert seen == sorted(seen) and seen[0] < len(part["rows"]), "results are written as they come"
    assert json.loads((tmp_path / "gpu.json").read_text()) == result
    assert (tmp_path / "gpu.md").read_text() == gpu_table(result)
    assert "no number of it is a speed" in gpu_table(result)


@pytest.mark.slow
def test_the_whole_dry_run(tmp_path):
    """All parts, their checks right; less than a minute of computing on two cores."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    result = run_gpu_day(DayOptions(dry_run=True, seconds=dict.fromkeys(day.PARTS, 600)), str(tmp_path))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert list(result["parts"]) == list(day.PARTS)
    assert {part["state"] for part in result["parts"].values()} == {"done"}
    rows = {name: part["rows"] for name, part in result["parts"].items()}
    assert all(row["error"] <= row["limit"] and row["same_bits"] for row in rows["correctness"] if "error" in row)
    assert all(row["graph_is_the_same"] for row in rows["correctness"] if "steps" in row)
    assert [row["passed"] > 0 and row["failed"] == 0 for row in rows["correctness"] if "tests" in row] == [True]
    kernels = [row["kernel"] for row in rows["kernels"] if "kernel" in row]
    assert len(kernels) == len(set(kernels)) > 10 and any("product" in row for row in rows["kernels"])
    systems = [row["system"] for row in rows["training"] if "system" in row]
    assert systems[:3] == systems[-3:] == ["minires engine with graph", "minires engine", "minires layers"]
    assert rows["commands"][0]["code"] == 0 and "test_accuracy" in rows["commands"][0]["metrics"]
    assert after.ru_utime - before.ru_utime < 110


def test_steps_stand_side_by_side():
    """The median of both turns, times PyTorch eager at the same precision, and the targets."""
    rows = [("minires engine", "tf32", 1.0), ("PyTorch eager", "tf32", 2.4), ("minires engine", "tf32", 1.4)]
    rows += [("minires engine with graph", "tf32", 0.6), ("minires engine", "float32", 3.0)]
    rows += [("minires engine", "bf16", 0.5), ("PyTorch AMP channels_last", "bf16", 1.0)]
    keys = "network", "batch", "system", "precision", "ms"
    rows = [dict(zip(keys, ("resnet20", 128, system, precision, ms))) for system, precision, ms in rows]
    part = {"state": "done", "seconds": 1.0, "rows": rows}
    machine = {"processor": "P", "date": "D"}
    lines = gpu_table({"dry_run": False, "minires": "1", "machine": machine, "parts": {"training": part}}).splitlines()
    assert [line for line in lines if line.startswith("| resnet20")][:6] == [
        "| resnet20 | 128 | bf16 | minires engine | 0.5 | 256,000 | 2.00 |  |",
        "| resnet20 | 128 | bf16 | PyTorch AMP channels_last | 1 | 128,000 | 1.00 |  |",
        "| resnet20 | 128 | float32 | minires engine | 3 | 42,667 |  |  |",
        "| resnet20 | 128 | tf32 | minires engine with graph | 0.6 | 213,333 | 4.00 | 0.8 ms: met |",
        "| resnet20 | 128 | tf32 | minires engine | 1.2 | 106,667 | 2.00 | 1.1 ms: missed |",
        "| resnet20 | 128 | tf32 | PyTorch eager | 2.4 | 53,333 | 1.00 |  |",
    ]
    assert "speed" not in lines[2]


def test_a_part_ends_when_its_time_is_over():
    began = time.monotonic()
    result = run_gpu_day(only("kernels", seconds={"kernels": 0.3}))
    assert result["parts"]["kernels"]["state"] == "kernels: stopped, its time was over"
    assert time.monotonic() - began < 20


def test_jobs_that_come_too_late_are_not_begun():
    result = run_gpu_day(only("training", seconds={"training": 0.01}))
    assert "torch: no time was left; minires: no time was left" in result["parts"]["training"]["state"]


def test_without_a_gpu_the_real_day_is_one_sentence(monkeypatch, tmp_path, capsys):
    (tmp_path / "cupy.py").write_text("raise ModuleNotFoundError('no cupy', name='cupy')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    out = tmp_path / "out"
    assert main(["bench", "gpu", "--out", str(out)]) == 1
    assert capsys.readouterr().err == (
        'minires: device "cuda" cannot be used: CuPy is not installed: pip install "minires[cuda13x]", or '
        '"minires[cuda12x]" where nvidia-smi shows CUDA 12; or see the day without a GPU: minires bench gpu --dry-run\n'
    )
    assert not out.exists()
    with pytest.raises(DeviceError):
        run_gpu_day(DayOptions())


@pytest.mark.parametrize(
    "lacks, sentence",
    [
        ("g++", "a dry run compiles the CUDA sources for the host, and g++ is missing: install g++"),
        ("tests", "the day needs tests and emulation, and {} has none: run it in a checkout of minires"),
    ],
)
def test_what_a_dry_run_lacks_is_one_sentence(monkeypatch, tmp_path, capsys, lacks, sentence):
    if lacks == "g++":
        monkeypatch.setattr("shutil.which", lambda name: None)
    else:
        monkeypatch.setattr("minires.bench.gpu.device.TESTS", tmp_path)
    out = tmp_path / "out"
    assert main(["bench", "gpu", "--dry-run", "--out", str(out)]) == 1
    assert capsys.readouterr().err == f"minires: {sentence.format(tmp_path)}\n"
    assert not out.exists()
    with pytest.raises(StateError):
        run_gpu_day(DayOptions(dry_run=True))


def test_other_parts_and_options_are_refused(capsys):
    with pytest.raises(RangeError, match="there is no part 'speed', expected some of card, correctness, kernels"):
        DayOptions(parts=("speed",))
    assert main(["bench", "gpu", "--tflops", "3"]) == 2
    assert "--tflops is given, but minires bench gpu does not know it" in capsys.readouterr().err


def wheel(folder, code):
    """A wheel of one module that Python runs whenever it starts."""
    info = "lent_probe-1.0.dist-info"
    files = {
        "sitecustomize.py": code,
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: lent-probe\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: minires\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{name},,\n" for name in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(folder / "lent_probe-1.0-py3-none-any.whl", "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)


def test_the_one_command_of_the_day(tmp_path):
    """bench/gpu_day.sh: wheels are installed without a registry, results lie where they are wanted."""
    pytest.importorskip("pip", reason="no pip beside this Python")
    (tmp_path / "wheels").mkdir()
    wheel(tmp_path / "wheels", f"open({str(tmp_path / 'installed')!r}, 'w').close()")
    environment = os.environ | {"PYTHON": sys.executable, "WHEELS": str(tmp_path / "wheels")}
    command = ["bash", "bench/gpu_day.sh", str(tmp_path / "out"), "--dry-run", "--cases", "card"]
    found = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    assert json.loads((tmp_path / "out" / "gpu.json").read_text())["parts"]["card"]["state"] == "done"
    assert "Stand-in" in found.stdout and (tmp_path / "installed").exists()


def test_a_module_that_is_missing_is_named(tmp_path):
    (tmp_path / "tyro.py").write_text("raise ImportError")
    environment = os.environ | {"PYTHON": sys.executable, "WHEELS": str(tmp_path), "PYTHONPATH": str(tmp_path)}
    command = ["bash", "bench/gpu_day.sh", str(tmp_path / "out")]
    found = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert found.returncode == 1
    assert found.stderr == f"{sys.executable} lacks tyro: put its wheel into {tmp_path}\n"
