"""The same by MPI: mpiexec starts real processes. Needs the extra ``mpi``."""

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zlib
from pathlib import Path

import pytest
from train.test_ranks import MAKES, configured, one_process

RANK = Path(__file__).with_name("rank.py")
OPEN_MPI = {  # refuses root, and more ranks than cores
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
}
ENVIRONMENT = {**os.environ, **OPEN_MPI, "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])}


@pytest.fixture
def mpiexec():
    """The mpiexec beside this Python, or of the system."""
    found = shutil.which("mpiexec", path=str(Path(sys.executable).parent)) or shutil.which("mpiexec")
    if found is None or importlib.util.find_spec("mpi4py") is None:
        pytest.skip("needs mpi4py and mpiexec: pip install 'minires[mpi]'")
    return found


def start(mpiexec, size, *command):
    where = {"env": ENVIRONMENT, "text": True, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(
        [mpiexec, "-n", str(size), sys.executable, *map(str, command)], start_new_session=True, **where
    )


def finished(process, seconds=180):
    """(exit code, standard output, standard error), with no process left."""
    try:
        out, err = process.communicate(timeout=seconds)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    return process.returncode, out, err


def results(folder):
    """What the ranks have found, in their order."""
    return [json.loads(path.read_text()) for path in sorted(folder.parent.glob(f"{folder.name}.*.json"))]


def alive(marker):
    """Processes whose command line has ``marker``."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if marker.encode() in path.read_bytes():
                found.append(path.parent.name)
        except OSError:
            continue
    return found


SLOW = [pytest.param(k, name, marks=pytest.mark.slow) for name in ("resnet20", "densenet") for k in (1, 2, 3, 4)]


@pytest.mark.parametrize("batch_norm", ["local", "global"])
@pytest.mark.parametrize(("size", "name"), [(2, "small"), (3, "small"), *SLOW])
def test_processes_are_one_process_with_micro_batches_bit_for_bit(mpiexec, tmp_path, size, name, batch_norm):
    """20 steps; see test_ranks.py."""
    settings = {"epochs": 5, "batch_norm": batch_norm, "weight_decay": 1e-4, "label_smoothing": 0.1}
    code, out, err = finished(start(mpiexec, size, RANK, "train", tmp_path / "run", name, json.dumps(settings)))
    assert code == 0, err
    found = results(tmp_path / "run")
    expected = one_process(MAKES[name], configured(**settings), size)
    crc = [zlib.crc32(expected[path].copy().data) for path, _ in MAKES[name]().tensors()]
    assert [one["rank"] for one in found] == list(range(size)) and all(one["crc"] == crc for one in found)
    assert err.count("epoch 5/5") == 1, "one rank speaks"


@pytest.mark.slow
@pytest.mark.parametrize("what", ["raise", "exit", "kill", "stop"])
def test_a_rank_that_fails_ends_the_job_and_the_run_goes_on_bit_for_bit(mpiexec, tmp_path, what):
    process = start(mpiexec, 2, RANK, what, tmp_path / "run")
    began = time.monotonic()
    code, out, err = finished(process)
    assert code != 0 and not results(tmp_path / "run")
    assert time.monotonic() - began < 60
    if what == "raise":
        assert "rank 1 on " in err and "step 2: ValueError('a bad image')" in err
    if what == "stop":
        assert "rank 1 on " in err and "step 2: no answer for 3 s" in err
    if what in ("exit", "kill"):
        words = {"exit": "it left with exit code 3", "kill": "it was killed by SIGKILL"}
        assert "rank 1 on " in err and f"step 2: {words[what]}; the job ends" in err
    assert err.count("; the job ends") == 1, err
    time.sleep(0.5)
    assert alive(str(tmp_path)) == [], "processes are left"
    code, out, err = finished(start(mpiexec, 2, RANK, "resume", tmp_path / "run"))
    assert code == 0, err
    finished(start(mpiexec, 2, RANK, "train", tmp_path / "other"))
    assert results(tmp_path / "run") == results(tmp_path / "other") != []


COMMAND = "-m minires train --parallel mpi --model digits_resnet8 --data digits --epochs 40 --engine reference".split()


@pytest.mark.slow
def test_the_command_stops_at_ctrl_c_and_goes_on(mpiexec, tmp_path):
    run = tmp_path / "run"
    process = start(mpiexec, 2, *COMMAND, "--run-dir", run)
    while not (run / "checkpoint.safetensors").exists() and process.poll() is None:
        time.sleep(0.2)
    time.sleep(3)
    process.send_signal(signal.SIGINT)
    code, out, err = finished(process)
    assert code != 0 and "stopped by SIGINT after step" in err and "Traceback" not in err, err
    time.sleep(0.5)
    assert alive(str(run)) == []
    process = start(mpiexec, 2, "-m", "minires", "train", "--parallel", "mpi", "--resume", run)
    assert process.stderr.readline().startswith("epoch ")
    process.send_signal(signal.SIGINT)
    assert "stopped by SIGINT after step" in finished(process)[2]


def test_without_mpiexec_one_rank_trains_with_a_note(mpiexec, tmp_path):
    command = [*COMMAND[:-4], "--epochs", "1", "--run-dir", str(tmp_path / "run"), "--limit-train", "64"]
    found = subprocess.run([sys.executable, *command], env=ENVIRONMENT, capture_output=True, text=True)
    assert found.returncode == 0 and "one process: start several with mpiexec -n 4" in found.stderr, found.stderr
