# expect: BugHunt.OnlyShapes
# wrong: behind_pool no_relu not_added pool_for_stride relu_before_add
import numpy as np


def test_block(build):
    """True if no number is negative."""
    y = build(3, 6, 2)(np.random.default_rng(0).standard_normal((2, 3, 8, 8)).astype(np.float32))
    return bool((y >= 0).all())
