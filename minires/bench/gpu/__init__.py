"""The day a GPU is lent, as code: ``minires bench gpu``, or without a GPU its dry run on the emulation.

day       the parts in their order, each in processes of its own and under its own timeout; results as they come
device    CuPy with a GPU, or the stand-in for it   report   the table
card, parity, kernels, steps, commands   the jobs of the parts: what they find they print, a JSON object a line
"""

from .day import DayOptions, run_gpu_day
from .report import gpu_table

__all__ = ["DayOptions", "gpu_table", "run_gpu_day"]
