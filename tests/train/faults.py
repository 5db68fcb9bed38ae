"""Faults at random moments of a job of 4 ranks: does it end, in time, with one message, and go on bit for bit?

python tests/train/faults.py [TRIALS [FAULT ...]]    prints a line for each trial and a table; needs mpi4py and mpiexec

As a rank, which the script starts: faults.py rank FOLDER FAULT
"""

import contextlib
import io
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from train.job import alive, finished, mpiexec_here, start
from train.test_ranks import DIGITS, configured, small
from train.thread_comm import on_threads

from minires.train import fit, load_checkpoint, resume
from minires.train.guard import GUARD

RANKS, TIMEOUT = 4, 5
FAULTS = {  # which rank it meets, most seconds to the end of the job, what the message says
    "kill -9": (None, 5, r"rank {rank} on \S+, step \d+: it was killed by SIGKILL; the job ends"),
    "exception": (None, 5, r"rank {rank} on \S+, step \d+: .*a bad image.*; the job ends"),
    "os._exit(0)": (None, 5, r"rank {rank} on \S+, step \d+: it left with exit code 0; the job ends"),
    "SIGSTOP": (None, TIMEOUT + 2, r"rank {rank} on \S+, step \d+: no answer for 5 s: it is stopped.*; the job ends"),
    "full disk": (0, 5, r"rank 0 on \S+, step \d+: .*No space left on device.*; the job ends"),
    "mpiexec killed": (0, 5, r"rank 0 on \S+, step \d+: mpiexec was killed; the job ends"),
}


def configuration(folder):
    return configured(run_dir=str(folder), epochs=15, checkpoint_every=2, log_every=2)


def one_rank(folder, fault):
    GUARD.begin()
    from mpi4py import MPI

    comm, network = MPI.COMM_WORLD, small()
    plain = network.at("stem").forward

    def slow(x, train=False):
        time.sleep(0.04)
        return plain(x, train)

    network.at("stem").forward = slow

    def strike(number, frame):
        if fault == "os._exit(0)":
            os._exit(0)
        raise ValueError("a bad image")

    signal.signal(signal.SIGUSR1, strike)
    Path(f"{folder}.{comm.rank}.pid").write_text(str(os.getpid()))
    fit(configuration(folder), model=network, data=DIGITS, comm=comm, timeout=TIMEOUT)


def strike(fault, process, pid, folder):
    if fault == "mpiexec killed":
        process.send_signal(signal.SIGKILL)
    elif fault == "full disk":
        with open(folder.parent / "filler", "wb", buffering=0) as filler:
            try:
                while True:
                    filler.write(bytes(4096))
            except OSError:
                return
    else:
        number = {"kill -9": signal.SIGKILL, "SIGSTOP": signal.SIGSTOP}.get(fault, signal.SIGUSR1)
        os.kill(pid, number)


def trial(fault, folder, chance, mpiexec):
    """(seconds to the end of mpiexec, seconds to that of the last process, exit code, step, messages)."""
    fixed, _, _ = FAULTS[fault]
    rank = chance.randrange(RANKS) if fixed is None else fixed
    process = start(mpiexec, RANKS, __file__, "rank", folder, fault)
    pids = [Path(f"{folder}.{k}.pid") for k in range(RANKS)]
    while not ((folder / "checkpoint.safetensors").exists() and all(path.exists() for path in pids)):
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    time.sleep(chance.uniform(0, 2))
    assert process.poll() is None, "it was over before the fault"
    began = time.monotonic()
    strike(fault, process, int(pids[rank].read_text()), folder)
    code, _, err = finished(process, 60)
    ended = time.monotonic() - began
    while alive(str(folder)) and time.monotonic() - began < 20:
        time.sleep(0.04)
    gone = time.monotonic() - began
    (folder.parent / "filler").unlink(missing_ok=True)
    return rank, ended, gone, code, err


def weights(folder):
    return {name: array.tobytes() for name, array in load_checkpoint(folder).tensors.items()}


def judged(fault, number, folder, whole, mpiexec):
    """A trial, and (seconds, whether all is as it must be)."""
    rank, ended, gone, code, err = trial(fault, folder, random.Random(f"{fault} {number}"), mpiexec)
    _, limit, pattern = FAULTS[fault]
    messages = re.findall(r"minires: .*; the job ends", err)
    step = load_checkpoint(folder).position.step
    left = alive(str(folder))
    time.sleep(0.3)  # a process that ends loses its name before its locks
    with contextlib.redirect_stderr(io.StringIO()):
        on_threads(RANKS, lambda comm: resume(folder, model=small(), data=DIGITS, comm=comm))
    found = {
        f"{gone:.1f} s, at most {limit}": max(ended, gone) <= limit,
        f"exit code {code}": code != 0,
        f"messages {messages}": len(messages) == 1 and re.search(pattern.format(rank=rank), messages[0]) is not None,
        f"processes {left} are left": not left,
        "another end": weights(folder) == whole,
    }
    wrong = [words for words, holds in found.items() if not holds]
    row = f"{fault:<15} {number:>3}  rank {rank}  saved step {step:>3}  {gone:4.1f} s  code {code:>4}"
    print(f"{row}  {wrong or 'as it must be'}", flush=True)
    shutil.rmtree(folder)
    return max(ended, gone), wrong


def undisturbed(folder):
    with contextlib.redirect_stderr(io.StringIO()):
        on_threads(RANKS, lambda comm: fit(configuration(folder), model=small(), data=DIGITS, comm=comm))
    return weights(folder)


def room(folder, fault):
    """A folder for trials: of a small disk of its own where that is to be full."""
    folder.mkdir(parents=True, exist_ok=True)
    if fault == "full disk":
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)], check=True)
    return folder


def table(trials, faults, base, mpiexec):
    """[(fault, trials that were as they must be, longest seconds)], in folders below ``base``."""
    whole, rows = undisturbed(base / "whole"), []
    for fault in faults:
        place = room(base / re.sub(r"\W+", "_", fault), fault)
        try:
            found = [judged(fault, k, place / f"run{k}", whole, mpiexec) for k in range(trials)]
        finally:
            if fault == "full disk":
                subprocess.run(["umount", str(place)], check=True)
        rows.append((fault, sum(not wrong for _, wrong in found), max(seconds for seconds, _ in found)))
    return rows


def main(trials, faults):
    with tempfile.TemporaryDirectory(prefix="minires-faults-") as base:
        rows = table(trials, faults or FAULTS, Path(base), mpiexec_here())
    print(f"\n{'fault':<16}{'as it must be':>14}{'longest':>10}{'allowed':>10}")
    for fault, right, longest in rows:
        print(f"{fault:<16}{right:>8} of {trials:<3}{longest:>8.1f} s{FAULTS[fault][1]:>8} s")
    return int(any(right < trials for _, right, _ in rows))


if __name__ == "__main__":
    if sys.argv[1:2] == ["rank"]:
        one_rank(Path(sys.argv[2]), sys.argv[3])
    else:
        sys.exit(main(int((sys.argv[1:] or ["20"])[0]), sys.argv[2:]))
