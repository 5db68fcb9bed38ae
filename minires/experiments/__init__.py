"""Experiments: every claim of the articles can be run, is plotted, and has a verdict that can fail."""

from .catalogue import EXPERIMENTS
from .experiment import Check, Claim, Experiment, Verdict
from .lab import Lab
from .run import Progress, judge, run
from .store import stored

__all__ = ["EXPERIMENTS", "Check", "Claim", "Experiment", "Lab", "Progress", "Verdict", "judge", "run", "stored"]
