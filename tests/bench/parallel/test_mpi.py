"""The simulation against ranks that are processes; ``minires bench mpi`` under mpiexec. Needs the extra ``mpi``."""

import json
from pathlib import Path

import numpy as np
import pytest
from train.job import finished, mpiexec_here, start

from minires.bench.parallel import Reduction, synchronous_steps
from minires.bench.parallel.simulation import agreement, stragglers

SLEEPER = Path(__file__).with_name("sleeper.py")
STEPS, SECONDS, SPREAD = 9, 0.3, 0.4


@pytest.fixture
def mpiexec():
    if (found := mpiexec_here()) is None:
        pytest.skip("needs mpi4py and mpiexec: pip install 'minires[mpi]'")
    return found


@pytest.mark.parametrize("size", [2, 3, 4])
def test_simulated_stragglers_are_measured_ones(mpiexec, tmp_path, size):
    """Step by step; the mean of the ranks would be more than a tenth too fast."""
    file = tmp_path / "found.json"
    code, _, err = finished(start(mpiexec, size, SLEEPER, STEPS, SECONDS, SPREAD, size, file))
    assert code == 0, err
    measured, costs = np.array(json.loads(file.read_text())).T
    work = stragglers(STEPS, size, SECONDS, SPREAD, size)
    steps = zip(work, costs)
    expected = [synchronous_steps([row], Reduction(((1.0, cost),), overlap=False))[0] for row, cost in steps]
    assert abs(agreement(measured, expected)) < 0.15
    assert work.mean(axis=1).sum() < 0.9 * measured.sum()


def test_the_command_on_two_ranks(mpiexec, tmp_path):
    line = "-m minires bench mpi --cases".split() + ["train digits_resnet8 b8", "--quick", "--out", tmp_path / "out"]
    code, out, err = finished(start(mpiexec, 2, *line, "--dry-run"))
    assert code == 0 and out.count("digits_resnet8 b8") == 1 and "MPI, 2 ranks" in out, err
    line = "-m minires train --parallel mpi --dry-run --model digits_resnet8 --data digits --batch-size 50".split()
    code, out, err = finished(start(mpiexec, 2, *line))
    assert code == 0, err
    assert "of a batch of 50: ranks 0 to 1 25 images each\n" in out and "by this machine (" in out
