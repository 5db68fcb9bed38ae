"""minires train --parallel mpi --dry-run."""

from ..bench.parallel import forecast
from ..errors import RangeError
from ..train.ranks import Ranks
from .common import print_json


def print_forecast(config, run, job, as_json):
    """Print what the training of ``config`` would be like on the ranks of ``job``; rank 0 speaks."""
    if not job:
        raise RangeError("dry_run is given without parallel, expected both: minires train --parallel mpi --dry-run")
    if run is not None:
        raise RangeError(f"dry_run and resume {run} are given, expected one of them: leave one out")
    ranks = Ranks(**job)
    with ranks.together():
        lines = forecast(config, ranks)
    if as_json and lines:
        return print_json(forecast=lines)
    print("\n".join(lines), end="\n" if lines else "")
