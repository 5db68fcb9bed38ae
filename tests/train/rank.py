"""One rank of an MPI job, for test_mpi.py: python rank.py WHAT FOLDER [NETWORK [SETTINGS]] writes FOLDER.RANK.json."""

import json
import os
import signal
import sys
import time
import zlib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from train.test_ranks import DIGITS, MAKES, configured

from minires.train import fit, resume
from minires.train.guard import GUARD


def crc(model):
    return [zlib.crc32(t.data.copy().data) for _, t in model.tensors()]


def main(what, folder, network="small", settings="{}"):
    GUARD.begin()
    from mpi4py import MPI

    comm, model = MPI.COMM_WORLD, MAKES[network]()
    config = configured(**{"run_dir": folder, "checkpoint_every": 2} | json.loads(settings))
    if what == "resume":
        result = resume(folder, model=model, data=DIGITS, comm=comm)
    else:
        if what in FAULTS and comm.rank == 1:
            model.at("one").branch["relu"].forward = fault(what, model.at("one").branch["relu"].forward)
        timeout = 3 if what == "stop" else 120
        result = fit(config, model=model, data=DIGITS, comm=comm, timeout=timeout)
    found = {"rank": comm.rank, "crc": crc(model), "accuracy": result.test_accuracy}
    Path(f"{folder}.{comm.rank}.json").write_text(json.dumps(found))


FAULTS = {
    "raise": lambda: exec("raise ValueError('a bad image')"),
    "exit": lambda: os._exit(3),
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "stop": lambda: os.kill(os.getpid(), signal.SIGSTOP),
    "slow": lambda: time.sleep(60),
}


def fault(what, forward):
    """``forward``, that fails at the third training step."""
    calls = []

    def failing(x, train=False):
        calls.append(train)
        if sum(calls) == 3:
            FAULTS[what]()
        return forward(x, train)

    return failing


if __name__ == "__main__":
    main(*sys.argv[1:])
