"""Arrays into chunks and back: nothing is lost, and dx takes the same way."""

import numpy as np
import pytest
from engine.equality import entered

import minires
from minires.engine.operations import Load, Store
from minires.layers import ReLU


@pytest.mark.parametrize("n", [1, 2, 33, 70])
def test_there_and_back(n):
    rng = np.random.default_rng(0)
    x, dy = rng.normal(size=(2, n, 3, 4, 5))
    fast = minires.compile(entered(3, ReLU()), threads=2)
    y, cache = fast.forward(x, True)
    assert {Load, Store} <= {type(operation) for operation in cache.executor.plan.operations}
    assert np.array_equal(y, np.maximum(x, 0))
    assert np.array_equal(fast.backward(dy, cache), dy * (x > 0))
    assert y.flags.writeable
