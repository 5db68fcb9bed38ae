# expect: BugHunt.NoFinalReLU, BugHunt.PoolForStride, BugHunt.ReLUBeforeAdd, BugHunt.ShortcutBehindPool
# wrong: behind_pool no_relu pool_for_stride relu_before_add
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


def added(build):
    block = build(3, 5, 2)
    block.shortcut_bn.beta.data[...] = 1
    zero(block.bn2)
    assert block(x_of(3)).max() > 0.1, "with a branch of zeros nothing comes through"


def test_block(build):
    added(build)
