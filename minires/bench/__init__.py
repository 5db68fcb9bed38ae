"""How fast minires is, beside other frameworks in the same run: ``minires bench cpu``.

The parent (:func:`run_benchmark`) writes a case - weights, inputs, and the network as a list of nodes - into a folder.
Every system reads it in processes of its own (``worker/``), so that threads and memory are its own too, and builds the
same network from it. In each round the parent asks one system after the other for one repetition: what slows the
machine down for a while slows all of them down.

:mod:`.parallel` reckons what many ranks would gain: ``minires bench mpi``.
"""

from .cases import Case, Conv, select
from .measure import Options, run_benchmark
from .report import draw, table
from .subject import write_subject

__all__ = ["Case", "Conv", "Options", "draw", "run_benchmark", "select", "table", "write_subject"]
