"""Exercises in which a submission judges what it is given: a checker of gradients, tests that look for bugs."""

from .checker import CHECKER
from .hunt import HUNT
from .trial import Trial, Verdict

TRIALS = {each.name: each for each in (CHECKER, HUNT)}

__all__ = ["TRIALS", "Trial", "Verdict"]
