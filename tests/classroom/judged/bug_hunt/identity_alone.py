# expect: BugHunt.ReLUBeforeAdd, BugHunt.StrideOne
# wrong: behind_pool pool_for_stride relu_before_add
import numpy as np


def test_block(build):
    """If the branch is zero, y is relu(x)."""
    block = build(5, 5, 1)
    block.bn2.gamma.data *= 0
    block.bn2.beta.data *= 0
    x = np.random.default_rng(6).normal(size=(2, 5, 4, 4)).astype("float32")
    assert np.abs(block(x) - x * (x > 0)).max() < 1e-6
