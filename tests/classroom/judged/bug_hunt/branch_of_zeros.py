# expect: BugHunt.PoolForStride, BugHunt.ReLUBeforeAdd
# wrong: pool_for_stride relu_before_add
import numpy as np

from minires.layers import BatchNorm2d, Conv2d, ReLU, Sequential


def test_block(build):
    """With a branch of zeros only the shortcut is left, of which there is one in minires."""
    block = build(3, 6, 2)
    block.bn2.gamma.data[...] = 0
    block.bn2.beta.data[...] = 0
    right = Sequential(Conv2d(3, 6, 1, stride=2, rng=0), BatchNorm2d(6), ReLU())
    right.at("0").weight.data = block.shortcut.weight.data
    for name in ("gamma", "beta", "running_mean", "running_var"):
        getattr(right.at("1"), name).data = getattr(block.shortcut_bn, name).data
    x = np.random.default_rng(5).normal(size=(4, 3, 8, 8)).astype("float32")
    np.testing.assert_allclose(block(x), right(x), rtol=1e-4, atol=1e-5)
