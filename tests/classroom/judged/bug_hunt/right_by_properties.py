# right
#
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


def final_relu(build):
    assert build(3, 5, 2)(x_of(3)).min() >= 0, "y is negative somewhere"


def shortcut_of_x(build):
    block = build(3, 5, 2)
    zero(block.bn2)
    x = x_of(3)
    assert abs(block(x) - block(odd_pixels_moved(x))).max() < 1e-5, "a shortcut of stride 2 reads even pixels alone"


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


def branch_can_lower(build):
    block = build(3, 5, 2)
    zero(block.shortcut_bn, beta=3.0)
    zero(block.bn2, beta=-1.0)
    y = block(x_of(3))
    if y.max() > 0:  # else nothing is added
        assert abs(y - 2).max() < 1e-5, "3 and -1 are 2"


def test_block(build):
    added(build)
    final_relu(build)
    shortcut_of_x(build)
    stride_in_the_branch(build)
    branch_can_lower(build)
