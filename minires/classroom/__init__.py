"""The classroom: the functions of students as layers, and which misconception a wrong one shows."""

from .diagnose import Diagnosis, diagnose
from .exercises import EXERCISES, Exercise
from .functions import FunctionLayer
from .general import Finding

__all__ = ["Diagnosis", "EXERCISES", "Exercise", "Finding", "FunctionLayer", "diagnose"]
