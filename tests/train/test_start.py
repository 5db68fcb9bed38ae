"""Training from the weights of a file, by Python and the command line, resumed without it; a frozen part."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from oracles.pytorch import torch
from train.test_fit import assert_same_end, no_pictures  # noqa: F401 (a fixture)
from train.tiny_training import config, data, model, weights_of
from weights.torch_models import akamaster

from minires import cli
from minires.data import Dataset
from minires.errors import CheckpointError, RangeError
from minires.models import build
from minires.train import TrainConfig, fit, load_checkpoint, load_model, loop, resume
from minires.weights import save_weights, start_from

BATCH = {"batch_size": 8, "epochs": 1, "checkpoint_every": 1, "augment": "none"}


def images(count=32, classes=4, channels=3):
    rng = np.random.default_rng(count)
    pixels = rng.integers(0, 256, (count, channels, 8, 8)).astype(np.uint8)
    return Dataset("noise", pixels, np.arange(count) % classes, tuple(map(str, range(classes))))


@pytest.fixture
def weights(tmp_path):
    """Of a network for ten classes, whose shortcuts are not those of minires' own."""
    path = tmp_path / "weights.pth"
    torch.manual_seed(0)
    torch.save(akamaster(8).state_dict(), path)
    return path


def test_starts_from_the_weights_with_a_new_head(weights, tmp_path, capsys):
    """At a learning rate of nearly 0 all but the head, and the running statistics, stay those of the file."""
    settings = TrainConfig(model="resnet8", weights=str(weights), lr=1e-30, run_dir=str(tmp_path / "run"), **BATCH)
    fit(settings, data=(images(), images(8)))
    err = capsys.readouterr().err
    assert f"weights of {weights}: names of akamaster\n" in err
    assert "the file is for 10 classes, the data have 4: head.fc is new\n" in err
    network, checkpoint = load_model(tmp_path / "run")
    found = checkpoint.config
    assert found.weights_sha256 == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert (found.option, found.weights) == (("shortcut=A-both",), str(weights))
    assert json.loads((tmp_path / "run" / "config.json").read_text())["weights_sha256"] == found.weights_sha256
    assert network(np.zeros((1, 3, 8, 8), np.float32)).shape == (1, 4)
    started = start_from("resnet8", weights, num_classes=4, rng=0)
    assert started.sha256 == found.weights_sha256
    for path, p in network.params():
        np.testing.assert_allclose(p.data, dict(started.model.params())[path].data, atol=1e-20, err_msg=path)


@pytest.mark.parametrize("freeze_but", [(), ("head",), ("stage3", "head")])
def test_resumes_bit_for_bit_without_the_file(weights, tmp_path, monkeypatch, freeze_but):
    settings = TrainConfig(model="resnet8", weights=str(weights), freeze_but=freeze_but, lr=0.01, **BATCH)
    settings = TrainConfig(**vars(settings) | {"epochs": 2})
    both = images(), images(8)
    fit(TrainConfig(**vars(settings) | {"run_dir": str(tmp_path / "whole")}), data=both)
    steps, real = iter(range(5)), loop.train_step
    monkeypatch.setattr(loop, "train_step", lambda *args: (next(steps), real(*args))[1])
    with pytest.raises(StopIteration):
        fit(TrainConfig(**vars(settings) | {"run_dir": str(tmp_path / "cut")}), data=both)
    monkeypatch.setattr(loop, "train_step", real)
    weights.unlink()
    resume(tmp_path / "cut", data=both)
    assert_same_end(tmp_path / "cut", tmp_path / "whole")


def test_what_is_frozen_does_not_move(weights, tmp_path):
    settings = TrainConfig(
        model="resnet8", weights=str(weights), freeze_but=("stage3", "head"), run_dir=str(tmp_path / "run"), **BATCH
    )
    fit(settings, data=(images(), images(8)))
    started = dict(start_from("resnet8", weights, num_classes=4, rng=0).model.tensors())
    for path, p in load_model(tmp_path / "run")[0].tensors():  # with the statistics of batch norms
        trained = path.startswith("stage3.") or path.startswith("head.fc.")
        assert np.array_equal(p.data, started[path].data) != trained, path


def test_a_model_of_ones_own_with_a_frozen_part(tmp_path):
    net = model()
    fit(config(tmp_path, epochs=1, freeze_but=("head",)), model=net, data=data())
    assert [path for path, p in net.params() if not p.frozen] == ["fc2.weight", "fc2.bias"]


def test_refusals(weights, tmp_path):
    wrong = "f" * 64
    common = {"run_dir": str(tmp_path / "run"), **BATCH}
    both = images(), images(8)
    for fields, error, message in [
        ({"weights_sha256": wrong}, CheckpointError, f"has the SHA-256 .*, expected {wrong}: it is another file"),
        ({"model": "resnet14"}, CheckpointError, "does not fit"),
        ({"option": ("shortcut=B",)}, CheckpointError, "build the model with shortcut='A' or 'A-both'"),
        ({"freeze_but": ("nowhere",)}, RangeError, "nowhere"),
        ({"entry": "ema"}, CheckpointError, "has no entry 'ema'"),
    ]:
        with pytest.raises(error, match=message):
            fit(TrainConfig(**{"model": "resnet8", "weights": str(weights)} | fields | common), data=both)
        assert not (tmp_path / "run").exists()
    with pytest.raises(CheckpointError, match="absent cannot be read"):
        fit(TrainConfig(model="resnet8", weights=str(tmp_path / "absent"), **common), data=both)
    with pytest.raises(RangeError, match="a model is given too, expected one of them"):
        fit(TrainConfig(weights=str(weights), **common), model=model(), data=data())


def test_the_command_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    save_weights("w", build("resnet8", num_classes=5, in_channels=1, rng=3))
    line = "--model resnet8 --limit-train 33 --limit-test 16 --batch-size 16 --epochs 1 --json".split()
    assert cli.main(["train", *line, "--weights", "w", "--freeze-but", "head", "--run-dir", "r"]) == 0
    out, err = capsys.readouterr()
    assert "the file is for 5 classes, the data have 10: head.fc is new" in err and json.loads(out)["epochs"] == 1
    assert load_checkpoint("r").config.freeze_but == ("head",)
    before = weights_of(load_checkpoint("r"))
    shutil.move("w", "elsewhere")
    assert cli.main(["train", "--resume", "r", "--json"]) == 0 and weights_of(load_checkpoint("r")) == before
    assert cli.main(["eval", "r"]) == 0
    assert cli.main(["train", *line, "--weights", "w", "--run-dir", "s"]) == 1
    assert not Path("s").exists() and "w cannot be read" in capsys.readouterr().err
