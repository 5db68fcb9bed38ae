"""The gradient, traced: every term named, kept and added up."""

from .audit import Audit, audit
from .ledger import BlockRecord, ForkRecord, Ledger, trace
from .paths import PathLengths, SampledPaths, all_paths, path_lengths, sample_paths
from .step import Stepper
from .telescope import Telescope, telescope

__all__ = [
    "Audit",
    "BlockRecord",
    "ForkRecord",
    "Ledger",
    "PathLengths",
    "SampledPaths",
    "Stepper",
    "Telescope",
    "all_paths",
    "audit",
    "path_lengths",
    "sample_paths",
    "telescope",
    "trace",
]
