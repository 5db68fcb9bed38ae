"""The same by MPI: mpiexec starts real processes. Needs the extra ``mpi``."""

import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import zlib
from pathlib import Path

import pytest
from train import faults
from train.job import ENVIRONMENT, alive, finished, mpiexec_here, start
from train.test_ranks import MAKES, configured, one_process

from minires.train import load_checkpoint

RANK = Path(__file__).with_name("rank.py")


@pytest.fixture
def mpiexec():
    """The mpiexec beside this Python, or of the system."""
    if (found := mpiexec_here()) is None:
        pytest.skip("needs mpi4py and mpiexec: pip install 'minires[mpi]'")
    return found


def results(folder):
    """What the ranks have found, in their order."""
    return [json.loads(path.read_text()) for path in sorted(folder.parent.glob(f"{folder.name}.*.json"))]


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
def test_a_run_goes_on_bit_for_bit_after_a_rank_has_failed(mpiexec, tmp_path, what):
    code, out, err = finished(start(mpiexec, 2, RANK, what, tmp_path / "run"))
    assert code != 0 and not results(tmp_path / "run")
    words = {
        "raise": "ValueError('a bad image')",
        "exit": "it left with exit code 3",
        "kill": "it was killed by SIGKILL",
        "stop": "no answer for 3 s: it is stopped, hangs, or computes for longer",
    }
    assert re.findall(r"minires: (.*); the job ends", err) == [
        f"rank 1 on {socket.gethostname()}, step 2: {words[what]}"
    ]
    code, out, err = finished(start(mpiexec, 2, RANK, "resume", tmp_path / "run"))
    assert code == 0, err
    finished(start(mpiexec, 2, RANK, "train", tmp_path / "other"))
    assert results(tmp_path / "run") == results(tmp_path / "other") != []


@pytest.mark.parametrize("trials", [1, pytest.param(20, marks=pytest.mark.slow)])
@pytest.mark.parametrize("fault", faults.FAULTS)
def test_a_fault_at_a_random_moment_ends_the_job_in_time_with_one_message(mpiexec, tmp_path, fault, trials):
    """4 ranks; no process is left, and the run goes on bit for bit."""
    if fault == "full disk" and not can_mount(tmp_path):
        pytest.skip("a small disk needs root")
    ((_, right, _),) = faults.table(trials, [fault], tmp_path, mpiexec)
    assert right == trials


def can_mount(folder):
    (folder / "disk").mkdir()
    mounted = shutil.which("mount") and not subprocess.call(
        ["mount", "-t", "tmpfs", "tmpfs", folder / "disk"], stderr=subprocess.DEVNULL
    )
    return mounted and not subprocess.call(["umount", folder / "disk"])


COMMAND = "-m minires train --parallel mpi --model digits_resnet8 --data digits --epochs 40 --engine reference".split()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_stops_at_a_signal_to_mpiexec_and_goes_on(mpiexec, tmp_path, number):
    run = tmp_path / "run"
    process = start(mpiexec, 2, *COMMAND, "--run-dir", run)
    while not (run / "checkpoint.safetensors").exists() and process.poll() is None:
        time.sleep(0.2)
    time.sleep(3)
    process.send_signal(number)
    code, out, err = finished(process)
    version = subprocess.run([mpiexec, "--version"], capture_output=True, text=True, env=ENVIRONMENT).stdout
    assert code != 0 and "Traceback" not in err, err
    time.sleep(0.5)
    assert alive(str(run)) == []
    if "Open MPI" in version:  # ends ranks half a second after Ctrl-C: a checkpoint is whole, but may be an older one
        assert load_checkpoint(run).position.step >= 0
        return
    assert f"stopped by {number.name} after step" in err
    process = start(mpiexec, 2, "-m", "minires", "train", "--parallel", "mpi", "--resume", run)
    assert process.stderr.readline().startswith("epoch ")
    process.send_signal(signal.SIGINT)
    assert "stopped by SIGINT after step" in finished(process)[2]


def test_without_mpiexec_one_rank_trains_with_a_note(mpiexec, tmp_path):
    command = [*COMMAND[:-4], "--epochs", "1", "--run-dir", str(tmp_path / "run"), "--limit-train", "64"]
    found = subprocess.run([sys.executable, *command], env=ENVIRONMENT, capture_output=True, text=True)
    assert found.returncode == 0 and "one process: start several with mpiexec -n 4" in found.stderr, found.stderr
