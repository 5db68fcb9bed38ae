# expect: BugHunt.NoFinalReLU, BugHunt.PoolForStride, BugHunt.ReLUBeforeAdd, BugHunt.ShortcutNotAdded
# wrong: no_relu not_added pool_for_stride relu_before_add
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


def shortcut_of_x(build):
    block = build(3, 5, 2)
    zero(block.bn2)
    x = x_of(3)
    assert abs(block(x) - block(odd_pixels_moved(x))).max() < 1e-5, "a shortcut of stride 2 reads even pixels alone"


def test_block(build):
    shortcut_of_x(build)
