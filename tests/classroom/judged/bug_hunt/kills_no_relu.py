# expect: BugHunt.PoolForStride, BugHunt.ReLUBeforeAdd, BugHunt.ShortcutBehindPool, BugHunt.ShortcutNotAdded
# wrong: behind_pool not_added pool_for_stride relu_before_add
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


def final_relu(build):
    assert build(3, 5, 2)(x_of(3)).min() >= 0, "y is negative somewhere"


def test_block(build):
    final_relu(build)
