"""One rank of an MPI job that sleeps where another would compute: python sleeper.py STEPS SECONDS SPREAD SEED FILE.

Sleep is of a known length, whatever else the machine does, and needs no core. Rank 0 writes the times of the steps, and
beside each what it takes to add up the array when nobody has slept.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np

from minires.bench.parallel.simulation import stragglers
from minires.train.ranks import Ranks

BYTES = 2**18


def main(steps, seconds, spread, seed, file):
    from mpi4py import MPI

    ranks, found = Ranks(MPI.COMM_WORLD), []
    array = np.ones(BYTES // 4, np.float32)
    work = stragglers(int(steps), ranks.size, float(seconds), float(spread), int(seed))[:, ranks.rank]

    def seconds_of(sleep):
        ranks.gather([])
        begun = time.perf_counter()
        time.sleep(sleep)
        ranks.sum(array)
        return time.perf_counter() - begun

    for one in work:
        found.append((seconds_of(one), seconds_of(0)))
    if ranks.rank == 0:
        Path(file).write_text(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
