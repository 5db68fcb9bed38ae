"""Experiments: every claim of the articles can be run, is plotted, and has a verdict that can fail."""

from . import degradation, ode_order
from .experiment import Check, Claim, Experiment, Verdict
from .lab import Lab

EXPERIMENTS = {module.EXPERIMENT.name: module.EXPERIMENT for module in (degradation, ode_order)}

__all__ = ["EXPERIMENTS", "Check", "Claim", "Experiment", "Lab", "Verdict"]
