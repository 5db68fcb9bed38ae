"""Experiments: every claim of the articles can be run, is plotted, and has a verdict that can fail."""

from .catalogue import EXPERIMENTS
from .errors import ERRORS
from .experiment import Check, Claim, Experiment, Verdict
from .lab import Lab
from .report import report
from .run import Progress, judge, run
from .speed import speed
from .store import stored

__all__ = [
    "ERRORS",
    "EXPERIMENTS",
    "Check",
    "Claim",
    "Experiment",
    "Lab",
    "Progress",
    "Verdict",
    "judge",
    "report",
    "run",
    "speed",
    "stored",
]
