"""Steps of training as one function: on the CPU those of train_step, bit for bit."""

import copy

import numpy as np
import pytest

import minires
from minires import layers as L
from minires.losses import SoftmaxCrossEntropy
from minires.train import SGD, AdamW, train_step

OPTIMISERS = {
    "sgd": lambda params: SGD(params, 0.1, weight_decay=0.01, nesterov=True),
    "adamw": lambda params: AdamW(params, 0.01),
}


def network():
    return minires.models.build("resnet8", num_classes=3, in_channels=2, rng=0)


def batches(count, n=4):
    rng = np.random.default_rng(1)
    for _ in range(count):
        yield rng.standard_normal((n, 2, 8, 8)).astype(np.float32), rng.integers(0, 3, n)


@pytest.mark.parametrize("clip_norm", [None, 0.5])
@pytest.mark.parametrize("kind", OPTIMISERS)
def test_on_the_cpu_it_is_train_step(kind, clip_norm):
    one = network()
    other, loss = copy.deepcopy(one), SoftmaxCrossEntropy()
    step = minires.compile_step(one, loss, OPTIMISERS[kind](one.params()), clip_norm=clip_norm)
    fast, optimizer = minires.compile(other, input_gradient=False), OPTIMISERS[kind](other.params())
    for k, (x, labels) in enumerate(batches(3)):
        found = step(x, labels, 0.1 / (k + 1))
        expected = train_step(fast, loss, optimizer, x, labels, 0.1 / (k + 1), clip_norm)
        assert [float(a) for a in found] == [float(a) for a in expected]
    for (path, a), (_, b) in zip(one.tensors(), other.tensors()):
        assert np.array_equal(a.data, b.data), path
    assert "train_step" in step.describe() and "winograd" in step.describe()


def test_what_compile_made_keeps_its_settings_and_the_rate_is_that_of_the_optimiser():
    model = L.Sequential(L.Flatten(), L.Linear(128, 3, rng=0))
    fast, before = minires.compile(model, threads=1), model.at("1").weight.data.copy()
    step = minires.compile_step(fast, SoftmaxCrossEntropy(), SGD(model.params(), 0.5, momentum=0))
    assert step.network is fast
    step(*next(batches(1)))
    weight = model.at("1").weight
    assert np.array_equal(weight.data, before - 0.5 * weight.grad)
