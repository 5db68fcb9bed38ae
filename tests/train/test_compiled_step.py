"""Steps of training as one function: on the CPU those of train_step, bit for bit."""

import copy

import numpy as np
import pytest

import minires
from minires import layers as L
from minires.data import CropFlip, Dataset, Normalize, RawBatch
from minires.losses import SoftmaxCrossEntropy
from minires.train import SGD, AdamW, CompiledStep, TrainConfig, fit, load_checkpoint, loop, resume, train_step

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


def test_bytes_are_taken_on_the_cpu_too():
    (x, labels), rng = next(batches(1)), np.random.default_rng(0)
    batch = RawBatch.of(rng.integers(0, 256, x.shape, np.uint8), Normalize([0.4, 0.5], [0.2, 0.3]), CropFlip(), rng)
    found = []
    for given in (batch, batch.floats()):
        model = network()
        step = minires.compile_step(model, SoftmaxCrossEntropy(), SGD(model.params(), 0.1))
        found.append((float(step(given, labels)[0]), [p.data.tobytes() for _, p in model.params()]))
    assert found[0] == found[1]


def images(count, seed):
    """Images in bytes, each class brighter than the one before."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, count)
    noise = rng.integers(0, 100, (count, 2, 8, 8)) + 60 * labels[:, None, None, None]
    return Dataset("own", noise.astype(np.uint8), labels, ("dark", "grey", "bright"))


def config(folder, **changes):
    settings = {"epochs": 2, "batch_size": 8, "lr": 0.05, "checkpoint_every": 2, "seed": 1, "device": "cuda"}
    return TrainConfig(run_dir=str(folder), model="resnet8", augment="crop-flip", **settings | changes)


def trained(folder, **changes):
    fit(config(folder, **changes), model=network(), data=(images(28, 0), images(6, 1)))
    return load_checkpoint(folder)


def numbers(checkpoint):
    return {name: array.tobytes() for name, array in checkpoint.tensors.items()}


def test_a_training_on_a_gpu_is_graphs_of_kernels_and_that_of_the_cpu(tmp_path, strict, monkeypatch):
    made, real = [], loop.compile_step
    monkeypatch.setattr(loop, "compile_step", lambda *args, **how: made.append(real(*args, **how)) or made[-1])
    found, expected = trained(tmp_path / "a"), trained(tmp_path / "b", device="cpu")
    assert "one graph" in made[0].describe() and "train_step" not in made[0].describe()
    assert found.summary["train_loss"] == pytest.approx(expected.summary["train_loss"], rel=1e-3)
    assert len(made) == 1, "the CPU needs none"
    learner = {"accumulate": 2}, {"engine": "reference"}
    for k, changes in enumerate(learner):
        trained(tmp_path / str(k), epochs=1, **changes)
    assert len(made) == 1
    trained(tmp_path / "clipped", epochs=1, clip_norm=1.0)
    assert "clip_norm" in made[1].describe()
    trained(tmp_path / "mixed", epochs=1, mixup=0.2)
    assert "labels are not one integer" in made[2].describe()


def test_an_interrupted_training_on_a_gpu_ends_with_the_same_bits(tmp_path, strict, monkeypatch):
    """The numbers of a checkpoint are taken over by the arrays of the kernels, AdamW's counts, too."""
    whole, real = trained(tmp_path / "whole", optimizer="adamw"), CompiledStep.__call__
    left = iter(range(5))

    def step_or_cut(step, *args):
        next(left)
        return real(step, *args)

    monkeypatch.setattr(CompiledStep, "__call__", step_or_cut)
    with pytest.raises(StopIteration):
        trained(tmp_path / "cut", optimizer="adamw")
    monkeypatch.setattr(CompiledStep, "__call__", real)
    resume(tmp_path / "cut", model=network(), data=(images(28, 0), images(6, 1)))
    assert numbers(load_checkpoint(tmp_path / "cut")) == numbers(whole)
