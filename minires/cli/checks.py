"""minires check."""

import functools

from tqdm import tqdm

from ..errors import RangeError
from ..mutants.matrix import run_matrix
from .common import FAILED, Json, print_json


def check(*, seeds: int = 1000, as_json: Json = False) -> int | None:
    """Check every layer, and check the checks with planted mistakes.

    Each mistake stands for a misconception and must be caught; no correct layer may be refused. Exit code 1 if not.

    For example: minires check --seeds 100

    Args:
        seeds: Checks of correct layers, each with its own random numbers.
    """
    if seeds < 1:
        raise RangeError(f"seeds is {seeds}, expected an integer of at least 1: change seeds")
    bar = functools.partial(tqdm, disable=None, leave=False)  # on a terminal only
    matrix = run_matrix(seeds, progress=bar)
    if as_json:
        print_json(matrix, "layers", "worst_error", "mutants_caught", "mutants", false_alarms=matrix.refused)
    else:
        print(matrix)
    return FAILED if matrix.missed or matrix.refused else None
