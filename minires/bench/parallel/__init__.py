"""Training on many ranks, reckoned before it is bought: ``minires bench mpi``.

:mod:`.cost` has the formulas, :mod:`.simulation` what has none.
"""

from .cost import LINKS, Link, Work, cut, efficiency, limits, step_seconds
from .simulation import Failures, Reduction, synchronous_steps

__all__ = [
    "LINKS",
    "Failures",
    "Link",
    "Reduction",
    "Work",
    "cut",
    "efficiency",
    "limits",
    "step_seconds",
    "synchronous_steps",
]
