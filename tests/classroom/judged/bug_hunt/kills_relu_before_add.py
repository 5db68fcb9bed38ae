# expect: BugHunt.NoFinalReLU, BugHunt.PoolForStride, BugHunt.ShortcutBehindPool, BugHunt.ShortcutNotAdded
# wrong: behind_pool no_relu not_added pool_for_stride
import numpy as np


def x_of(n):
    return np.random.default_rng(8).standard_normal((4, n, 8, 8)).astype(np.float32)


def zero(bn, beta=0.0):
    bn.gamma.data[...] = 0
    bn.beta.data[...] = beta


def odd_pixels_moved(x):
    moved = x.copy()
    moved[:, :, 1::2] += 7
    moved[:, :, :, 1::2] -= 5
    return moved


def branch_can_lower(build):
    block = build(3, 5, 2)
    zero(block.shortcut_bn, beta=3.0)
    zero(block.bn2, beta=-1.0)
    y = block(x_of(3))
    if y.max() > 0:  # else nothing is added
        assert abs(y - 2).max() < 1e-5, "3 and -1 are 2"


def test_block(build):
    branch_can_lower(build)
