"""Split, transform, merge: what the verdict turns on."""

import numpy as np
import pytest
from experiments.edges import require_edge
from experiments.test_catalogue import STORED

from minires.experiments import split_transform_merge

EXPERIMENT, NUMBERS = split_transform_merge.EXPERIMENT, STORED["split_transform_merge"][0]


@pytest.mark.parametrize(
    ("path", "bound", "inside", "step"),
    [
        (("forms", "concat"), 1e-12, -1, 1e-15),
        (("forms", "sum"), 1e-12, -1, 1e-15),
        (("own norms",), 0.1, +1, 1e-9),
        (("block-diagonal",), 1e-12, -1, 1e-15),
        *((("fields", i), rows + side * 0.5, -side, 0.5) for i, rows in enumerate((1, 3, 5, 7)) for side in (-1, 1)),
    ],
)
def test_each_bound_turns_the_verdict(path, bound, inside, step):
    require_edge(EXPERIMENT, NUMBERS, path, bound, inside, step)


def test_a_difference_is_relative():
    assert split_transform_merge.difference(np.array([4.0, 1.0]), np.array([4.0, 3.0])) == 0.5
