"""The simulation against ranks that are processes; ``minires bench mpi`` under mpiexec. Needs the extra ``mpi``."""

import json
from pathlib import Path

import numpy as np
import pytest
from train.job import finished, mpiexec_here, start

from minires.bench.parallel import Reduction, synchronous_steps
from minires.bench.parallel.simulation import agreement, stragglers

SLEEPER = Path(__file__).with_name("sleeper.py")
STEPS, SECONDS, SPREAD = 8, 0.25, 0.4


@pytest.fixture
def mpiexec():
    if (found := mpiexec_here()) is None:
        pytest.skip("needs mpi4py and mpiexec: pip install 'minires[mpi]'")
    return found


@pytest.mark.parametrize("size", [2, 3, 4])
def test_simulated_stragglers_are_measured_ones(mpiexec, tmp_path, size):
    """In sum and step by step; one rank alone, or the mean of all, would be more than a tenth too fast."""
    file = tmp_path / "found.json"
    code, _, err = finished(start(mpiexec, size, SLEEPER, STEPS, SECONDS, SPREAD, size, file))
    assert code == 0, err
    found = json.loads(file.read_text())
    work = stragglers(STEPS, size, SECONDS, SPREAD, size)
    expected = synchronous_steps(work, Reduction(((1.0, found["cost"]),), overlap=False))
    assert abs(agreement(found["steps"], expected)) < 0.15
    assert abs(expected.sum() / sum(found["steps"]) - 1) < 0.15
    assert work.mean(axis=1).sum() < 0.9 * np.sum(found["steps"])


def test_the_command_on_two_ranks(mpiexec, tmp_path):
    line = "-m minires bench mpi --cases".split() + ["train digits_resnet8 b8", "--quick", "--out", tmp_path / "out"]
    code, out, err = finished(start(mpiexec, 2, *line, "--dry-run"))
    assert code == 0 and out.count("digits_resnet8 b8") == 1 and "MPI, 2 ranks" in out, err
    line = "-m minires train --parallel mpi --dry-run --model digits_resnet8 --data digits --batch-size 50".split()
    code, out, err = finished(start(mpiexec, 2, *line))
    assert code == 0, err
    assert "of a batch of 50: ranks 0 to 1 25 images each\n" in out and "by this machine (" in out
