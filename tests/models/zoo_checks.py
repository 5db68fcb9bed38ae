"""What every family of networks is held to: published counts, PyTorch, a step of training."""

import numpy as np
from models.torch_zoo import torch_answer
from oracles import run, upstream

from minires.losses import SoftmaxCrossEntropy
from minires.models import build, certify
from minires.train import SGD
from minires.train.step import train_step


def assert_counts(name, params, macs=None, image=224, **options):
    """What ``minires models NAME --json`` prints. ``macs``: exact, or in units of 1e9 rounded to three digits."""
    found = certify(name, image=image, **options)
    assert found.params == params
    if isinstance(macs, float):
        assert round(found.macs / 1e9, 3) == macs
    elif macs is not None:
        assert found.macs == macs


def randomised(name, **options):
    """A float64 network whose vectors (gamma, beta, running statistics, biases) are far from 0 and 1."""
    model = build(name, num_classes=5, in_channels=2, rng=0, **options).to(dtype=np.float64)
    rng = np.random.default_rng(1)
    for _, tensor in model.tensors():
        if tensor.data.ndim == 1:
            tensor.data = rng.uniform(0.5, 1.5, tensor.data.shape)
    return model


def assert_as_pytorch(model, function, size, batch=3):
    """y, dx, every gradient and running statistic, in evaluation and training. ``function``: see ``torch_zoo``."""
    for train in (False, True):
        rng = np.random.default_rng(2)
        x = rng.normal(size=(batch, 2, size, size))
        dy = upstream(model, x, rng, train)
        expected = torch_answer(model, function, x, dy, train)
        found = run(model, x, dy, train)
        assert found.keys() == expected.keys()
        for what, value in expected.items():
            assert found[what].shape == value.shape
            # a bias before a batch norm has a gradient of zero: measure that on the size of the others
            scale = max(np.linalg.norm(value), 1e-3 * np.sqrt(value.size))
            error = np.linalg.norm(found[what] - value) / scale
            assert error <= 1e-9, f"{what} is off by {error:.1e} with train={train}"


def assert_learns(name, size, lr=1e-5, **options):
    """One step of training on four small images lowers their loss and moves every parameter."""
    model = build(name, num_classes=3, rng=0, **options).to(dtype=np.float64)  # in which a small step is seen
    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(4, 3, size, size)), np.array([0, 1, 2, 0])
    before = {path: param.data.copy() for path, param in model.params()}
    loss, optimizer = SoftmaxCrossEntropy(), SGD(model.params(), lr=lr)
    first, _ = train_step(model, loss, optimizer, x, labels, lr)
    unmoved = [path for path, param in model.params() if (param.data == before[path]).all()]
    second, _ = loss.forward(model.forward(x, train=True)[0], labels)
    assert second < first and not unmoved
