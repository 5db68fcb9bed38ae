"""minires bench mpi, minires train --dry-run: what they print and write, what they refuse."""

import json

import pytest
from test_cli import call

BENCH = ["bench", "mpi", "--cases", "train resnet20 b128", "--tflops", "50"]


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_alone_it_reckons(tmp_path):
    code, out, err = call(*BENCH, "--out", "found")
    assert code == 0 and out.startswith("# Training on many ranks"), err
    assert "| train resnet20 b128, NVLink" in out
    result = json.loads((tmp_path / "found" / "mpi.json").read_text())
    assert result["steps"][0]["source"] == "50 TFLOP/s" and (tmp_path / "found" / "mpi.md").read_text() == out


def test_its_json_is_one_object():
    code, out, _ = call(*BENCH, "--step-ms", "resnet20=12.5", "--batches", "64", "--json")
    found = json.loads(out)
    assert code == 0 and [(step["case"], step["ms"]) for step in found["steps"]] == [("train resnet20 b64", 12.5)]


def test_a_dry_run_measures_and_writes_nothing(tmp_path):
    code, out, err = call("bench", "mpi", "--dry-run", "--out", "found")
    assert (code, err) == (0, "") and "train resnet152 b8: 92.1 GMAC" in out and "10 Gbit/s: latency 20 us" in out
    assert not (tmp_path / "found").exists()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("bench mpi --systems engine", "--systems is given, but minires bench mpi does not know it"),
        ("bench mpi --python torch=/usr/bin/python3", "--python is given, but minires bench mpi does not know it"),
        ("bench cpu --tflops 5", "--tflops is given, but minires bench cpu does not know it"),
        ("bench cpu --dry-run", "--dry-run is given, but minires bench cpu does not know it"),
        ("bench cpu --step-ms resnet20=5", "--step-ms is given"),
        ("bench mpi --step-ms resnet20", "step_ms is 'resnet20', expected NETWORK=MILLISECONDS"),
        ("bench mpi --step-ms resnet18=5", "step_ms names 'resnet18', which no case has"),
        ("bench mpi --cases infer*", "expected a training"),
        ("bench mpi --threads 0", "threads is 0"),
        ("train --dry-run", "dry_run is given without parallel"),
    ],
)
def test_what_does_not_fit_is_refused(line, words, monkeypatch):
    monkeypatch.setattr("minires.cli.benchmarks.run_mpi_benchmark", lambda *args, **kwargs: pytest.fail("it has begun"))
    code, out, err = call(*line.split())
    assert (code, out) == (2, "") and words in err and err.count("\n") == 1, err


def test_a_training_on_one_rank_is_forecast(monkeypatch, tmp_path):
    pytest.importorskip("train.thread_comm")
    from train.thread_comm import Board, ThreadComm

    monkeypatch.setattr("minires.cli.training._world", lambda: ThreadComm(0, Board(1)))
    line = (
        "train --parallel mpi --dry-run --model digits_resnet8 --data digits --limit-train 100 --batch-size 32".split()
    )
    code, out, err = call(*line)
    assert code == 0 and out.startswith("1 rank, digits_resnet8 on digits: 100 images, 4 steps an epoch\n"), err
    assert "of the last batch of 4: rank 0 4 images" in out and not list(tmp_path.iterdir())
    code, out, _ = call(*line, "--json")
    assert code == 0 and json.loads(out)["forecast"][0].startswith("1 rank, ")
