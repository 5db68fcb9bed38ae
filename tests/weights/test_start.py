"""Weights of a file for a network of other classes: what is kept, what is new, and which file it was."""

import hashlib
import json

import numpy as np
import pytest
from oracles.pytorch import torch
from weights.torch_models import akamaster

from minires.errors import CheckpointError
from minires.models import build
from minires.train import SGD, Position, TrainConfig, save_checkpoint
from minires.weights import load_weights, save_weights, start_from


@pytest.fixture
def weights(tmp_path):
    """Of a network for ten classes, whose shortcuts are not those of minires' own."""
    path = tmp_path / "weights.pth"
    torch.manual_seed(0)
    torch.save(akamaster(8).state_dict(), path)
    return path


@pytest.mark.parametrize("classes", [4, 10, 12])
def test_all_but_the_head_is_that_of_the_file(weights, classes):
    found = start_from("resnet8", weights, num_classes=classes, rng=5)
    reference = build("resnet8", shortcut="A-both", rng=1)
    load_weights(weights, reference)
    new = set()
    for path, t in reference.tensors():
        array = dict(found.model.tensors())[path].data
        if array.shape != t.data.shape or (array != t.data).any():
            new.add(path)
    assert new == (set() if classes == 10 else {"head.fc.weight", "head.fc.bias"})
    assert found.model(np.zeros((1, 3, 8, 8), np.float32)).shape == (1, classes)
    assert len(found.notes) == 1 + (classes != 10) and found.options == {"shortcut": "A-both"}
    assert found.sha256 == hashlib.sha256(weights.read_bytes()).hexdigest()
    again = start_from("resnet8", weights, num_classes=classes, rng=5).model
    assert [t.data.tobytes() for _, t in again.tensors()] == [t.data.tobytes() for _, t in found.model.tensors()]


def test_entries_and_checkpoints_and_shards(weights, tmp_path):
    """Whatever eval takes: a set of weights among several, a run's checkpoint, an index of shards."""
    plain, ema = akamaster(8).state_dict(), akamaster(8).state_dict()
    torch.save({"state_dict": plain, "state_dict_ema": ema}, tmp_path / "both.pth")
    for classes in (10, 4):
        with pytest.raises(CheckpointError, match="several sets of weights that fit.*--entry NAME"):
            start_from("resnet8", tmp_path / "both.pth", num_classes=classes, rng=0)
    found = start_from("resnet8", tmp_path / "both.pth", num_classes=4, rng=0, entry="state_dict_ema")
    np.testing.assert_array_equal(dict(found.model.tensors())["stem.conv.weight"].data, ema["conv1.weight"].numpy())

    trained, place = build("resnet8", rng=7), tmp_path / "checkpoint"
    save_checkpoint(place, trained, SGD(trained.params(), 0.1), config=TrainConfig(), data={}, position=Position())
    found = start_from("resnet8", place, num_classes=7, rng=0)
    np.testing.assert_array_equal(found.model.at("stem.conv").weight.data, trained.at("stem.conv").weight.data)

    folder = tmp_path / "shards"
    folder.mkdir()
    save_weights(folder / "a.safetensors", trained)
    names = [path for path, _ in trained.tensors()]
    index = {"weight_map": {name: "a.safetensors" for name in names}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    found = start_from("resnet8", folder, num_classes=4, rng=0)
    both = (folder / "model.safetensors.index.json").read_bytes() + (folder / "a.safetensors").read_bytes()
    assert found.sha256 == hashlib.sha256(both).hexdigest()


def test_other_channels(weights, tmp_path):
    x = np.random.default_rng(0).normal(size=(2, 1, 8, 8)).astype(np.float32)
    reference = build("resnet8", shortcut="A-both", rng=1)
    load_weights(weights, reference)
    grey = start_from("resnet8", weights, num_classes=10, in_channels=1, rng=0)
    np.testing.assert_allclose(grey.model(x), reference(np.repeat(x, 3, axis=1)), rtol=1e-4, atol=1e-4)
    assert grey.notes[1:] == ("the file is for 3 channels, the data have 1: its first filters are summed",)
    both = start_from("resnet8", weights, num_classes=4, in_channels=1, rng=0)
    assert len(both.notes) == 3 and both.model(x).shape == (2, 4)
    with pytest.raises(CheckpointError, match="conv1.weight"):
        start_from("resnet8", weights, num_classes=10, in_channels=4, rng=0)
    save_weights(tmp_path / "grey", grey.model)
    with pytest.raises(CheckpointError, match="stem.conv.weight"):
        start_from("resnet8", tmp_path / "grey", num_classes=10, in_channels=3, rng=0)


def test_channels_that_are_not_said_are_those_of_the_family(tmp_path):
    """One for the digits, of which a file for three could not be made."""
    path = tmp_path / "digits.safetensors"
    trained = build("digits_resnet8", rng=1)
    save_weights(path, trained)
    found = start_from("digits_resnet8", path, num_classes=10, rng=0).model
    assert [t.data.tobytes() for _, t in found.tensors()] == [t.data.tobytes() for _, t in trained.tensors()]
