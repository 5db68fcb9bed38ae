"""Values, and terms of a sum."""

import numpy as np
import pytest

from minires.engine.affine import BatchNorm
from minires.engine.gradients import Buffer, Target
from minires.engine.values import Array, Term, Value
from minires.layers import BatchNorm2d

X = Value(0, 6, (5, 7))


@pytest.mark.parametrize("part", [{"step": 2}, {"before": 1}, {"after": 1}, {"start": 2}, {"stop": 3}])
def test_a_term_is_not_affine_and_strided_at_once(part):
    with pytest.raises(ValueError, match="behind an affine map and a part of its value"):
        Term(X, BatchNorm(0, BatchNorm2d(6), X), **part)
    assert Term(X, **part).strided and not Term(X, **part).plain


def test_the_form_of_a_term():
    term = Term(X, step=2, before=1, after=3, start=2, stop=5)
    assert (term.width, term.channels, term.size) == (3, 7, (3, 4))
    assert np.zeros((6, 5, 7))[2:5, ::2, ::2].shape[1:] == term.size
    assert Term(X).plain and (Term(X).channels, Term(X).size) == (6, (5, 7))


def test_records_know_their_kind():
    """Equal fields of another kind are no equal record."""
    assert Value(1, 2, (3, 4)) == Value(1, 2, (3, 4)) != Value(1, 2, (3, 5))
    assert Value(1, 2, (3, 4)) != Buffer(1, 2, (3, 4)) and Array(1, (2,)) != Value(1, 2, (3, 4))
    assert Target(Buffer(1, 2, (3, 4)), True) != Target(Buffer(1, 2, (3, 4)), False)
