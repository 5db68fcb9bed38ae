"""Exports: an assignment for the platform of a course. Each is a thin wrapper around the grading of one submission."""

from .export import export
from .one import PLATFORMS, grade_for

__all__ = ["PLATFORMS", "export", "grade_for"]
