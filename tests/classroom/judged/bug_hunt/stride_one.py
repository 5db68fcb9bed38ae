# expect: BugHunt.StrideOne
# wrong: behind_pool pool_for_stride
import numpy as np

from minires.layers import BatchNorm2d, Conv2d


def test_block(build):
    """Raises AssertionError if the blocks of build are wrong, and nothing if they are right

    build(in_channels, out_channels, stride) returns a new block, a layer of minires
    """
    rng = np.random.default_rng(0)
    for inputs, outputs, stride in ((4, 4, 1), (2, 3, 1)):
        block = build(inputs, outputs, stride)
        x = rng.standard_normal((2, inputs, 6, 6)).astype(np.float32)
        along = normalise(block.bn1, convolve(block.conv1, x, stride, 1))
        along = normalise(block.bn2, convolve(block.conv2, np.maximum(along, 0), 1, 1))
        across = x
        if (inputs, 1) != (outputs, stride):
            across = normalise(block.shortcut_bn, convolve(block.shortcut, x, stride, 0))
        expected = np.maximum(across + along, 0)
        found = block(x)
        assert found.shape == expected.shape, f"y has the shape {found.shape} for a stride of {stride}"
        assert abs(found - expected).max() < 1e-4 * abs(expected).max(), f"y is another one for a stride of {stride}"


def convolve(part, x, stride, padding):
    outputs, inputs, size, _ = part.weight.data.shape
    layer = Conv2d(inputs, outputs, size, stride=stride, padding=padding, rng=0)
    layer.weight.data[...] = part.weight.data
    return layer(x)


def normalise(part, x):
    layer = BatchNorm2d(len(part.gamma.data))
    for (_, mine), (_, theirs) in zip(layer.tensors(), part.tensors()):
        mine.data[...] = theirs.data
    return layer(x)
