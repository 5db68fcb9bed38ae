"""Files of earlier versions load unchanged: bit for bit what was saved (see old_files.py)."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from weights.old_files import DATA, OPTIMIZERS, POSITION, network, state

from minires.train import Position, load_checkpoint
from minires.weights import load_weights, pretrained, read_weights

OLD = Path(__file__).with_name("old")


def bits(*things):
    return {path: buffer.data.tobytes() for thing in things for path, buffer in thing.tensors()}


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_a_checkpoint(kind):
    checkpoint = load_checkpoint(OLD / f"checkpoint_{kind}.safetensors")
    assert checkpoint.config.epochs == 7 and checkpoint.data == DATA and checkpoint.summary == {"train_loss": 0.5}
    assert checkpoint.position == Position(**POSITION)
    model = network()
    optimizer = OPTIMIZERS[kind](model.params(), 0.5)
    expected, expected_optimizer = state(kind)
    assert bits(model) != bits(expected)
    checkpoint.restore(model, optimizer)
    assert bits(model, optimizer) == bits(expected, expected_optimizer)
    assert model["dropout"].rng.random() == expected["dropout"].rng.random()


@pytest.mark.parametrize("file", ["weights", "torchvision", "checkpoint_sgd", "checkpoint_adamw"])
def test_weights(file):
    dtype = "float64" if file == "weights" else "float32"
    model, (expected, _) = network().to(dtype=np.dtype(dtype)), state("sgd", dtype)
    load_weights(OLD / f"{file}.safetensors", model)
    assert bits(model) == bits(expected)


def test_names_and_types_stay():
    assert read_weights(OLD / "torchvision.safetensors")["fc.weight"].dtype == np.float32
    assert list(read_weights(OLD / "weights.safetensors"))[:2] == ["head.fc.bias", "head.fc.weight"], "as it was sorted"


def test_the_network_that_comes_along():
    """The version that brought it read these bytes from it, under these names."""
    model, record = pretrained("resnet20")
    digest = hashlib.sha256()
    for path, buffer in model.tensors():
        digest.update(path.encode() + buffer.data.tobytes())
    assert digest.hexdigest() == "8a0cfefc3ab9a025d27f33ab8124138fcb22a9a9d2e0a568e30eb644255ee7e4"
    assert record.config["model"] == "resnet20"
