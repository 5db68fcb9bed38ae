"""Checkpoints: whole round trips, and every misfit named before anything changes."""

import json
import sys

import numpy as np
import pytest
from conftest import np_of
from train.tiny_training import CLASSES, config, model
from weights.hostile import FILES

from minires.backend import to_device
from minires.errors import CheckpointError, NumericError, StateError
from minires.files import write_safetensors
from minires.layers import Dropout, Linear, Sequential
from minires.models import build
from minires.train import (
    SGD,
    AdamW,
    Position,
    TrainConfig,
    build_model,
    fit,
    load_checkpoint,
    load_model,
    publish,
    save_checkpoint,
)
from minires.weights import Record, load_weights, pretrained, save_weights
from minires.weights.open import open_weights

DATA = {"name": "tiny", "images": 44, "channels": 1, "classes": list(CLASSES), "mean": [0.25], "std": [1 / 3]}


def state_of(layer, optimiser=None):
    """Every bit that a checkpoint must bring back."""
    tensors = [*layer.tensors(), *(optimiser.tensors() if optimiser else [])]
    arrays = {path: np_of(t.data).tobytes() for path, t in tensors}
    return arrays, {path: rng.bit_generator.state for path, rng in layer.generators()}


def scrambled(seed, kind=AdamW, device="cpu"):
    """A model and an optimiser in a state that is all their own."""
    net = model(seed).to(device=device)
    optimiser = kind(net.params(), 0.1)
    for k in range(3):
        x = np.random.default_rng(seed + k).normal(size=(4, 1, 4, 4)).astype("float32")
        net.forward(to_device(x, device), train=True)
        for _, p in net.params():
            p.grad[...] = p.data + k
        optimiser.step()
    return net, optimiser


def save(path, net, optimiser, **changes):
    settings = {"config": config(path.parent), "data": DATA, "position": Position()} | changes
    save_checkpoint(path, net, optimiser, **settings)


@pytest.mark.parametrize("kind", [SGD, AdamW])
def test_round_trip(tmp_path, device, kind):
    path = tmp_path / "checkpoint.safetensors"
    net, optimiser = scrambled(1, kind, device)
    position = Position(epoch=3, batch=2, step=20, images=16, loss_sum=1 / 3, correct=7, seconds=1.25)
    save(path, net, optimiser, position=position, summary={"train_loss": 0.5})
    for where in (path, tmp_path, str(tmp_path)):
        checkpoint = load_checkpoint(where)
    assert checkpoint.config == config(tmp_path) and checkpoint.data == DATA
    assert checkpoint.position == position and checkpoint.summary == {"train_loss": 0.5}
    other, other_optimiser = scrambled(5, kind, device)
    arrays = [p.data for _, p in other.params()]
    assert state_of(other, other_optimiser) != state_of(net, optimiser)
    checkpoint.restore(other, other_optimiser)
    assert state_of(other, other_optimiser) == state_of(net, optimiser)
    assert all(p.data is array for (_, p), array in zip(other.params(), arrays)), "arrays are filled in place"


@pytest.mark.parametrize("kind", [np.random.MT19937, np.random.Philox, np.random.SFC64, np.random.PCG64DXSM])
def test_every_kind_of_generator(tmp_path, kind):
    net, optimiser = scrambled(1)
    net["dropout"].rng = np.random.Generator(kind(3))
    net["dropout"].rng.random(5)
    save(tmp_path / "c", net, optimiser)
    expected = net["dropout"].rng.random(1000)
    other = model(2)
    message = f"dropout.rng: random state of {kind.__name__} in the file, PCG64 in the model"
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(tmp_path / "c").restore(other)
    other["dropout"].rng = np.random.Generator(kind(4))
    load_checkpoint(tmp_path / "c").restore(other)
    assert (other["dropout"].rng.random(1000) == expected).all()


def test_lists_every_misfit_and_changes_nothing(tmp_path):
    net, optimiser = scrambled(1)
    save(tmp_path / "c", net, optimiser)
    rng = np.random.default_rng(0)
    fc2 = Linear(8, 3, rng=rng).to(dtype=np.float64)
    other = Sequential(fc1=Linear(15, 8, rng=rng), fc2=fc2, new=Linear(2, 2, rng=rng))
    other_optimiser = SGD(other.params(), 0.1)
    before = state_of(other, other_optimiser)
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(tmp_path / "c").restore(other, other_optimiser)
    message = str(caught.value)
    for line in [
        f"{tmp_path / 'c'} does not fit",
        "missing in the file: model.new.weight (2, 2) float32",
        "missing in the file: optimizer.velocity.fc1.weight (8, 15) float32",
        "unknown to the model: model.bn.running_var (8,) float32",
        "unknown to the model: optimizer.steps (6,) int64",
        "unknown to the model: random state of dropout.rng",
        "model.fc1.weight: (8, 16) float32 in the file, (8, 15) float32 in the model",
        "model.fc2.bias: (3,) float32 in the file, (3,) float64 in the model",
    ]:
        assert line in message
    assert state_of(other, other_optimiser) == before


def test_a_checkpoint_with_one_count_of_steps_for_all_parameters(tmp_path):
    """So AdamW kept it first: one number, without axes."""
    net, optimiser = scrambled(1)
    expected = state_of(net, optimiser)
    optimiser.steps.data = np.array(3)
    save(tmp_path / "c", net, optimiser)
    other, other_optimiser = scrambled(5)
    other_optimiser.steps.data[...] = 0
    load_checkpoint(tmp_path / "c").restore(other, other_optimiser)
    assert other_optimiser.steps.data.tolist() == [3] * 6
    assert state_of(other, other_optimiser) == expected


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_diverged_model_never_replaces_a_good_checkpoint(tmp_path, value):
    net, optimiser = scrambled(1)
    save(tmp_path / "c", net, optimiser)
    before = (tmp_path / "c").read_bytes()
    net["fc2"].weight.data[1, 2] = value
    with pytest.raises(NumericError, match="model.fc2.weight: 1 of 24 values are NaN or infinite, expected none"):
        save(tmp_path / "c", net, optimiser)
    assert (tmp_path / "c").read_bytes() == before


def test_weights_alone(tmp_path):
    net, optimiser = scrambled(1)
    save_weights(tmp_path / "w", net)
    save(tmp_path / "c", net, optimiser)
    for name in ("w", "c"):
        other = model(7)
        load_weights(tmp_path / name, other)
        assert state_of(other)[0] == state_of(net)[0]
    with pytest.raises(CheckpointError, match="'minires weights 1', expected 'minires checkpoint 1': use load_weights"):
        load_checkpoint(tmp_path / "w")
    with pytest.raises(CheckpointError, match="missing in the file: weight .*2, 2"):
        load_weights(tmp_path / "w", Linear(2, 2, rng=0))


@pytest.mark.parametrize("kind", FILES)
def test_refuses_broken_and_hostile_files(kind, tmp_path):
    (tmp_path / "c").write_bytes(FILES[kind][0])
    with pytest.raises(CheckpointError, match="c"):
        load_checkpoint(tmp_path / "c")


def test_a_file_of_another_program(tmp_path):
    torch = pytest.importorskip("torch")
    torch.save({"weight": torch.ones(2)}, tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match="has the format None, expected 'minires checkpoint 1': use load_weights"):
        load_checkpoint(tmp_path / "w.pth")


def test_load_model(tmp_path):
    settings = TrainConfig(model="resnet8", shortcut="B", run_dir=str(tmp_path))
    net = build_model(settings, num_classes=3, in_channels=1)
    net["head"]["fc"].bias.data[...] = [1, 2, 3]
    save(tmp_path / "checkpoint.safetensors", net, SGD(net.params(), 0.1), config=settings)
    found, checkpoint = load_model(tmp_path)
    assert state_of(found) == state_of(net)
    image = np.full((1, 1, 2, 2), 51, np.uint8)
    np.testing.assert_allclose(checkpoint.normalize()(image), (0.2 - 0.25) * 3, rtol=1e-5)


@pytest.mark.parametrize("state", ["{", "[]", "{}", '{"config": {"modle": "resnet20"}, "position": {}}'])
def test_settings_of_another_version(tmp_path, state):
    write_safetensors(tmp_path / "c", {}, {"format": "minires checkpoint 1", "state": state})
    with pytest.raises(CheckpointError, match="c holds settings that this minires cannot read: .*use the version"):
        load_checkpoint(tmp_path / "c")


def test_publish(tmp_path):
    config = TrainConfig(model="resnet8", epochs=1, limit_train=64, limit_test=32, run_dir=str(tmp_path / "run"))
    result = fit(config)
    publish(tmp_path / "run", tmp_path / "resnet8.safetensors")
    record = Record(**json.loads(open_weights(tmp_path / "resnet8.safetensors").texts["record"]))
    assert record.summary["test_accuracy"] == result.test_accuracy and record.data["name"] == "fashion_mnist_12k"
    assert (record.config["model"], record.config["run_dir"], record.config["data_dir"]) == ("resnet8", None, None)
    model = build("resnet8", num_classes=10, in_channels=1, rng=1)
    load_weights(tmp_path / "resnet8.safetensors", model)
    expected = load_model(tmp_path / "run")[0]
    for (_, found), (_, wanted) in zip(model.tensors(), expected.tensors(), strict=True):
        np.testing.assert_array_equal(found.data, wanted.data)


def test_a_published_network_has_its_options(tmp_path, monkeypatch):
    """The weights of a network with dropout fit one without, so this is seen in its layers alone."""
    monkeypatch.setattr(sys.modules["minires.weights.pretrained"], "FOLDER", tmp_path)
    sizes = {"epochs": 1, "limit_train": 32, "limit_test": 32}
    fit(TrainConfig(model="wrn_10_1", option=("dropout=0.5",), run_dir=str(tmp_path / "run"), **sizes))
    publish(tmp_path / "run", tmp_path / "wrn_10_1.safetensors")
    model, record = pretrained("wrn_10_1")
    assert {layer.p for _, layer in model.walk() if isinstance(layer, Dropout)} == {0.5}
    assert record.config["option"] == ["dropout=0.5"] and record.config["weights"] is None


def test_an_unfinished_training_is_not_published(tmp_path):
    config = TrainConfig(model="resnet8", epochs=2, run_dir=str(tmp_path))
    data = {"classes": ["a"] * 10, "channels": 1, "mean": [0.5], "std": [0.25]}
    net = build("resnet8", num_classes=10, in_channels=1, rng=0)
    save_checkpoint(
        tmp_path / "checkpoint.safetensors",
        net,
        SGD(net.params(), 0.1),
        config=config,
        data=data,
        position=Position(epoch=1),
    )
    with pytest.raises(StateError, match="come to epoch 1 of 2"):
        publish(tmp_path, tmp_path / "w.safetensors")
    assert not (tmp_path / "w.safetensors").exists()
