"""Planted mistakes, each a misconception: the checks must refuse them all, and graders name mistakes by them.

>>> from minires.mutants import MUTANTS
>>> next(m.misconception for m in MUTANTS if m.name == "BatchNorm2d.VarianceTermMissing")
'The variance depends on x too: its term is missing from dx.'
"""

from . import activation, affine, containers, conv, dropout, linear, losses, norm, pool, res2, runge_kutta, shape
from .base import Mutant

_TOPICS = (activation, affine, containers, conv, dropout, linear, losses, norm, pool, res2, runge_kutta, shape)
MUTANTS = tuple(sorted((mutant for topic in _TOPICS for mutant in topic.MUTANTS), key=lambda mutant: mutant.name))

__all__ = ["MUTANTS", "Mutant"]
