"""The residual block of an article on TensorFlow: right in several ways, and with its bugs, one at a time.

    y = relu(h(x) + F(x)),  F = bn2 conv2 relu bn1 conv1,  h = x, or shortcut_bn shortcut where the shape changes

``kind(in_channels, out_channels, stride, rng)`` makes one. All kinds have parts of the same names.
"""

import numpy as np

from ...layers import BatchNorm2d, Conv2d, Identity, MaxPool2d, ReLU, Residual, Sequential
from ...layers.base import Layer, Param
from ..box.inside.remote import RemoteLayer
from ..box.served import Served


class Block(Layer):
    """Parts by their names, and a layer made of them that computes. watch(method): is told of every use"""

    def __init__(self, parts, computes):
        vars(self).update(parts)
        self.computes, self.watch = computes, lambda method: None

    def children(self):
        """The parts; what computes is made of them."""
        return ((name, layer) for name, layer in super().children() if name != "computes")

    def forward(self, x, train=False):
        self.watch("forward")
        return self.computes.forward(x, train)

    def backward(self, dy, cache):
        self.watch("backward")
        return self.computes.backward(dy, cache)


class Every(Layer):
    """y = x[:, :, ::stride, ::stride]"""

    def __init__(self, stride):
        self.stride = stride

    def forward(self, x, train=False):
        return x[:, :, :: self.stride, :: self.stride], x.shape

    def backward(self, dy, cache):
        dx = np.zeros(cache, dy.dtype)
        dx[:, :, :: self.stride, :: self.stride] = dy
        return dx


class Dropped(Layer):
    """y = branch(x); what the shortcut gives is lost."""

    def __init__(self, branch, shortcut):
        self.branch, self.shortcut = branch, shortcut

    def forward(self, x, train=False):
        y, cache = self.branch.forward(x, train)
        return y + 0 * self.shortcut.forward(x, train)[0], cache

    def backward(self, dy, cache):
        return self.branch.backward(dy, cache)


def _parts(n, m, stride, rng, branch=None, across=None, padding=1):
    """branch, across: strides of the first convolution and of the shortcut, where they are others"""
    parts = {
        "conv1": Conv2d(n, m, 3, stride=branch or stride, padding=padding, rng=rng),
        "bn1": BatchNorm2d(m),
        "conv2": Conv2d(m, m, 3, padding=1, rng=rng),
        "bn2": BatchNorm2d(m),
    }
    if stride != 1 or n != m:
        parts["shortcut"] = Conv2d(n, m, 1, stride=across or stride, rng=rng)
        parts["shortcut_bn"] = BatchNorm2d(m)
    return parts


def _branch(p):
    return Sequential(p["conv1"], p["bn1"], ReLU(), p["conv2"], p["bn2"])


def _across(p):
    return Sequential(p["shortcut"], p["shortcut_bn"]) if "shortcut" in p else Identity()


def _pool(stride):
    """Gives as many pixels as a convolution with this stride."""
    more = (0, stride - 1)
    return MaxPool2d(stride, padding=(more, more)) if stride > 1 else Identity()


def right(n, m, stride, rng):
    p = _parts(n, m, stride, rng)
    return Block(p, Sequential(Residual(_branch(p), _across(p)), ReLU()))


def right_by_pixels(n, m, stride, rng):
    """Convolutions step by one; the pixels between are left out before or behind them."""
    p = _parts(n, m, stride, rng, branch=1, across=1)
    branch = Sequential(p["conv1"], Every(stride), p["bn1"], ReLU(), p["conv2"], p["bn2"])
    return Block(p, Sequential(Residual(branch, Sequential(Every(stride), _across(p))), ReLU()))


def right_trained(n, m, stride, rng):
    """Parameters and statistics have left their first values."""
    return _trained(right(n, m, stride, rng), rng)


def right_by_pixels_trained(n, m, stride, rng):
    return _trained(right_by_pixels(n, m, stride, rng), rng)


def _trained(block, rng):
    for name, t in block.tensors():
        if isinstance(t, Param):
            t.data = (t.data + 0.3 * rng.standard_normal(t.data.shape)).astype(t.data.dtype)
        elif "running" in name:
            t.data = (t.data + rng.uniform(0.2, 1, t.data.shape)).astype(t.data.dtype)
    return block


def not_added(n, m, stride, rng):
    p = _parts(n, m, stride, rng)
    return Block(p, Sequential(Dropped(_branch(p), _across(p)), ReLU()))


def no_relu(n, m, stride, rng):
    p = _parts(n, m, stride, rng)
    return Block(p, Residual(_branch(p), _across(p)))


def behind_pool(n, m, stride, rng):
    p = _parts(n, m, stride, rng, branch=1, across=1)
    return Block(p, Sequential(_pool(stride), Residual(_branch(p), _across(p)), ReLU()))


def pool_for_stride(n, m, stride, rng):
    p = _parts(n, m, stride, rng, branch=1)
    return Block(p, Sequential(Residual(Sequential(_pool(stride), _branch(p)), _across(p)), ReLU()))


def relu_before_add(n, m, stride, rng):
    p = _parts(n, m, stride, rng)
    return Block(p, Sequential(Residual(Sequential(_branch(p), ReLU()), _across(p)), ReLU()))


def pooled_twice(n, m, stride, rng):
    """Crashes where the stride is not 1: x has been pooled when the shortcut strides once more."""
    p = _parts(n, m, stride, rng, branch=1)
    return Block(p, Sequential(_pool(stride), Residual(_branch(p), _across(p)), ReLU()))


def not_padded(n, m, stride, rng):
    """Crashes: the images of the branch are smaller."""
    p = _parts(n, m, stride, rng, padding=0)
    return Block(p, Sequential(Residual(_branch(p), _across(p)), ReLU()))


RIGHT = (right, right_by_pixels, right_trained, right_by_pixels_trained)
SILENT = (not_added, no_relu, behind_pool, pool_for_stride, relu_before_add)
CRASHES = (pooled_twice, not_padded)


def opaque(layer):
    """``layer`` as a submission in a box sees it, by its arrays and what it computes."""
    served = Served()
    part = served.part(layer)

    def use(method, *arguments):
        word, *found = served.answer(part, method, list(arguments))
        if word != "ok":
            raise RuntimeError(*found)
        return found

    return RemoteLayer(*use("tensors"), use)
