"""One job of the day: ``python -m minires.bench.gpu JOB [--dry-run]``. It prints a JSON object a line."""

import json
import sys

from ...errors import DeviceError, StateError
from . import card, commands, kernels, parity, steps

JOBS = {
    "card": card.run,
    "parity": parity.run,
    "pytest": commands.run_tests,
    "kernels": kernels.run,
    "minires": steps.run_minires,
    "torch": steps.run_torch,
    "epoch": commands.run_epoch,
    "sanitizer": commands.run_sanitizer,
}


def main(job, *options):
    try:
        return JOBS[job](options == ("--dry-run",), lambda **row: print(json.dumps(row), flush=True))
    except (DeviceError, StateError) as error:
        return str(error)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
