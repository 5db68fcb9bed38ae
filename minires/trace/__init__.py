"""The gradient, traced: every term named, kept and added up."""

from .audit import Audit, audit
from .depth import LayerGradient, gradient_norms
from .ledger import Ledger, trace
from .paths import PathLengths, SampledPaths, all_paths, path_lengths, sample_paths
from .records import BlockRecord, ForkRecord
from .stepper import Stepper
from .telescope import Telescope, telescope

__all__ = [
    "Audit",
    "BlockRecord",
    "ForkRecord",
    "LayerGradient",
    "Ledger",
    "PathLengths",
    "SampledPaths",
    "Stepper",
    "Telescope",
    "all_paths",
    "audit",
    "gradient_norms",
    "path_lengths",
    "sample_paths",
    "telescope",
    "trace",
]
