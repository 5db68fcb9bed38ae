# expect: BugHunt.NoFinalReLU, BugHunt.ReLUBeforeAdd, BugHunt.ShortcutBehindPool, BugHunt.ShortcutNotAdded
# wrong: behind_pool no_relu not_added relu_before_add
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


def stride_in_the_branch(build):
    block = build(3, 5, 2)
    x = x_of(3)
    kept = block.bn2.gamma.data.copy(), block.bn2.beta.data.copy()
    zero(block.bn2)
    if abs(block(x) - block(odd_pixels_moved(x))).max() > 1e-5:
        return  # the shortcut is another matter
    block.bn2.gamma.data[...], block.bn2.beta.data[...] = kept
    block.conv1.weight.data[:, :, [0, 0, 0, 1, 1, 2, 2, 2], [0, 1, 2, 0, 2, 0, 1, 2]] = 0
    assert abs(block(x) - block(odd_pixels_moved(x))).max() < 1e-5, "the middle weight reads even pixels alone"


def test_block(build):
    stride_in_the_branch(build)
