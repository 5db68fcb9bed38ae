"""The classroom: the functions of students as layers, and which misconception a wrong one shows."""

from .functions import FunctionLayer

__all__ = ["FunctionLayer"]
