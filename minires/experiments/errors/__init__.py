"""The 24 errors of the articles: what they say, what is right, and at most eight lines that show it."""

from . import blocks, families, gradients
from .error import Error

ERRORS = tuple(sorted(gradients.ERRORS + blocks.ERRORS + families.ERRORS, key=lambda error: error.number))

__all__ = ["ERRORS", "Error"]
