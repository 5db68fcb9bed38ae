"""One rank of an MPI job that sleeps where another would compute: python sleeper.py STEPS SECONDS SPREAD SEED FILE.

Sleep is of a known length, whatever else the machine does, and needs no core. Rank 0 writes the times of the steps, and
what it takes to add up their array.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np

from minires.bench.parallel.network import reductions
from minires.bench.parallel.simulation import stragglers
from minires.train.ranks import Ranks

BYTES = 2**20


def main(steps, seconds, spread, seed, file):
    from mpi4py import MPI

    ranks, found = Ranks(MPI.COMM_WORLD), []
    array = np.ones(BYTES // 4, np.float32)
    work = stragglers(int(steps), ranks.size, float(seconds), float(spread), int(seed))[:, ranks.rank]
    ((_, cost),) = reductions(ranks, (BYTES,), 10, np.median)
    ranks.gather([])
    for one in work:
        begun = time.perf_counter()
        time.sleep(one)
        ranks.sum(array)
        found.append(time.perf_counter() - begun)
    if ranks.rank == 0:
        Path(file).write_text(json.dumps({"steps": found, "cost": cost}))


if __name__ == "__main__":
    main(*sys.argv[1:])
