"""The classroom: the functions of students as layers, which misconception a wrong one shows, and how to say it."""

from .course import Assignment, assignment, assignments, new
from .diagnose import Diagnosis, diagnose
from .escape import for_terminal
from .exercises import EXERCISES, Exercise
from .export import export, grade_for
from .feedback import Feedback, feedback
from .functions import FunctionLayer
from .general import Finding
from .grade import grade
from .handout import build
from .own import check
from .report import frequencies, to_csv, to_html, unnamed
from .results import Grade, graded
from .secret import Secret, secret_in
from .similarity import similarity
from .smallest import Failing, measure, smallest
from .task_example import answer

__all__ = [
    "Assignment",
    "Diagnosis",
    "EXERCISES",
    "Exercise",
    "Failing",
    "Feedback",
    "Finding",
    "FunctionLayer",
    "Grade",
    "Secret",
    "answer",
    "assignment",
    "assignments",
    "build",
    "check",
    "diagnose",
    "export",
    "feedback",
    "for_terminal",
    "frequencies",
    "grade",
    "grade_for",
    "graded",
    "measure",
    "new",
    "secret_in",
    "similarity",
    "smallest",
    "to_csv",
    "to_html",
    "unnamed",
]
