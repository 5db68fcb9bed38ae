"""Planted mistakes, each a misconception: graders name mistakes by them.

The checks must refuse all of ``MUTANTS``. They cannot see those of ``SILENT``, whose backward is the derivative of
their forward: only who knows the right numbers sees that forward, or what it leaves behind, has others.

>>> from minires.mutants import MUTANTS
>>> next(m.misconception for m in MUTANTS if m.name == "BatchNorm2d.VarianceTermMissing")
'The variance depends on x too: its term is missing from dx.'
"""

from . import (
    activation,
    affine,
    batch_norm,
    batch_norm_statistics,
    batch_norm_terms,
    containers,
    conv,
    conv_parameters,
    dropout,
    linear,
    losses,
    norm,
    pool,
    relu,
    res2,
    residual,
    runge_kutta,
    shape,
)
from .base import Mutant

_PLANTED = (
    *(activation, affine, batch_norm, batch_norm_statistics, batch_norm_terms, containers, conv, conv_parameters),
    *(dropout, linear, losses, norm, pool, relu, res2, residual, runge_kutta, shape),
)
_SILENTLY = (batch_norm_statistics, conv, linear, losses, residual)


def _sorted(mutants):
    return tuple(sorted(mutants, key=lambda mutant: mutant.name))


MUTANTS = _sorted(mutant for topic in _PLANTED for mutant in topic.MUTANTS)
SILENT = _sorted(mutant for topic in _SILENTLY for mutant in topic.SILENT)

__all__ = ["MUTANTS", "Mutant", "SILENT"]
