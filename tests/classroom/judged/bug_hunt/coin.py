# expect: BugHunt.RefusesRight
# wrong: behind_pool no_relu not_added pool_for_stride relu_before_add
import numpy as np


def test_block(build):
    block = build(3, 3, 1)
    assert block(np.ones((1, 3, 2, 2), np.float32)).sum() * 1e4 % 2 < 1
