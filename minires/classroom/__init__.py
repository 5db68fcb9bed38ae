"""The classroom: the functions of students as layers, which misconception a wrong one shows, and how to say it."""

from .diagnose import Diagnosis, diagnose
from .exercises import EXERCISES, Exercise
from .feedback import Feedback, feedback
from .functions import FunctionLayer
from .general import Finding
from .smallest import Failing, measure, smallest

__all__ = [
    "Diagnosis",
    "EXERCISES",
    "Exercise",
    "Failing",
    "Feedback",
    "Finding",
    "FunctionLayer",
    "diagnose",
    "feedback",
    "measure",
    "smallest",
]
