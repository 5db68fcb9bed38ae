# expect: BugHunt.AlwaysRefuses
# wrong: behind_pool no_relu not_added pool_for_stride relu_before_add
import numpy as np


def test_block(build):
    y = build(3, 3, 1)(np.ones((1, 3, 4, 4), np.float32))
    assert (y >= 0).al()
