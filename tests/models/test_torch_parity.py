"""Logits, gradients and running statistics in float64 equal those of an independent PyTorch network."""

import numpy as np
import pytest
from models.torch_resnet import F, ResNet, load_weights, torch, torch_name

from minires import models
from minires.losses import SoftmaxCrossEntropy

TOLERANCE = 1e-9


def minires_net(depth, option, in_channels=3, num_classes=10):
    """A float64 network whose vectors (gamma, beta, running statistics, bias) are far from 0 and 1."""
    name, options = (f"plain{depth}", {}) if option == "plain" else (f"resnet{depth}", {"shortcut": option})
    model = models.build(name, rng=0, in_channels=in_channels, num_classes=num_classes, **options).to(dtype=np.float64)
    rng = np.random.default_rng(1)
    for _, tensor in model.tensors():
        if tensor.data.ndim == 1:
            tensor.data = rng.uniform(0.5, 1.5, tensor.data.shape)
    return model


def torch_net(depth, option, in_channels=3, num_classes=10):
    """The same in PyTorch, with the same values."""
    net = ResNet(depth, option, in_channels, num_classes).double()
    model = minires_net(depth, option, in_channels, num_classes)
    load_weights(net, {path: tensor.data for path, tensor in model.tensors()})
    return net


def batch(shape, classes=10):
    rng = np.random.default_rng(2)
    return rng.normal(size=shape), rng.integers(0, classes, shape[0])


def compare(model, net, x, labels):
    """Evaluation, then one forward and backward in training."""
    with torch.no_grad():
        assert_close(model(x), net.eval()(torch.from_numpy(x)), "logits in evaluation")
    model.zero_grads()
    logits, cache = model.forward(x, train=True)
    loss = SoftmaxCrossEntropy()
    dx = model.backward(loss.backward(loss.forward(logits, labels)[1]), cache)
    image = torch.from_numpy(x).requires_grad_()
    expected = net.train()(image)
    F.cross_entropy(expected, torch.from_numpy(labels)).backward()
    assert_close(logits, expected.detach(), "logits in training")
    assert_close(dx, image.grad, "dx")
    grads = {name: p.grad for name, p in net.named_parameters()}
    buffers = dict(net.named_buffers())
    for path, tensor in model.tensors():
        name = torch_name(path)
        if name in grads:
            assert_close(tensor.grad, grads.pop(name), f"gradient of {path}")
        else:
            assert_close(tensor.data, buffers[name], path)
    assert not grads


def assert_close(found, expected, name):
    expected = expected.numpy()
    assert found.shape == expected.shape, name
    error = np.linalg.norm(found - expected) / np.linalg.norm(expected)
    assert error <= TOLERANCE, f"{name} is off by {error:.1e}"


@pytest.mark.parametrize("option", ["A", "A-both", "B", "C", "plain"])
def test_depth_20(option):
    compare(minires_net(20, option), torch_net(20, option), *batch((4, 3, 32, 32)))


@pytest.mark.parametrize("size", [(28, 28), (33, 17), (5, 5)])
@pytest.mark.parametrize("option", ["A", "B"])
def test_other_sizes(option, size):
    compare(minires_net(14, option, 1, 7), torch_net(14, option, 1, 7), *batch((5, 1, *size), 7))


def test_zero_channels_at_the_end_are_not_those_on_both_sides():
    with pytest.raises(AssertionError, match="logits in evaluation is off"):
        compare(minires_net(8, "A-both"), torch_net(8, "A"), *batch((4, 3, 16, 16)))
