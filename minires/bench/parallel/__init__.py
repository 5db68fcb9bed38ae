"""Training on many ranks, reckoned before it is bought: ``minires bench mpi``.

:mod:`.cost` has the formulas, :mod:`.simulation` what has none; :mod:`.network` and :mod:`.steps` measure what goes
into both.
"""

from .cost import LINKS, Link, Work, cut, efficiency, limits, step_seconds
from .forecast import forecast
from .report import mpi_figure, mpi_table
from .run import MpiOptions, plan, run_mpi_benchmark
from .simulation import Failures, Reduction, synchronous_steps

__all__ = [
    "LINKS",
    "Failures",
    "Link",
    "MpiOptions",
    "Reduction",
    "Work",
    "cut",
    "efficiency",
    "forecast",
    "limits",
    "mpi_figure",
    "mpi_table",
    "plan",
    "run_mpi_benchmark",
    "step_seconds",
    "synchronous_steps",
]
