# expect: BugHunt.PoolForStride, BugHunt.ReLUBeforeAdd, BugHunt.ShortcutBehindPool, BugHunt.ShortcutNotAdded
# wrong: behind_pool not_added pool_for_stride relu_before_add
import numpy as np


def test_block(build):
    rng = np.random.default_rng(4)
    for stride in (1, 2):
        y = build(4, 8, stride)(rng.standard_normal((8, 4, 8, 8)).astype(np.float32))
        assert y.min() >= 0, "a number below zero leaves the block"
