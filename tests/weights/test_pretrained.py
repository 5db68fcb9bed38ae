"""The networks that come with minires: whole, true to their record, and as right as they say."""

import json
import os

import numpy as np
import pytest
from weights.test_eval import call
from weights.test_published import waves

from minires.data import Normalize, load
from minires.errors import RangeError
from minires.train import TrainConfig
from minires.weights import pretrained

LOGITS = [-1.0544, -1.3546, 3.0018, 1.966, 0.5285, -0.3289, -0.838, 0.9483, -1.6603, -1.2058]


def test_the_record():
    model, record = pretrained("resnet20")
    assert sum(p.data.size for _, p in model.params()) == 269_722
    assert {t.data.dtype for _, t in model.tensors()} == {np.dtype(np.float32)}
    config = TrainConfig.from_dict({name: value for name, value in record.config.items() if value is not None})
    assert (config.model, config.data, config.engine) == ("resnet20", "cifar10", "compiled")
    assert record.summary["test_accuracy"] >= 0.9 and record.summary["seconds"] < 90 * 60
    assert (record.data["name"], record.data["images"], len(record.data["classes"])) == ("cifar10", 50_000, 10)


def test_the_logits():
    model, record = pretrained("resnet20")
    x = Normalize(record.data["mean"], record.data["std"])((127.5 * (1 + waves(1))).astype(np.uint8))
    np.testing.assert_allclose(model(x.astype(np.float32))[0], LOGITS, atol=2e-4)


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_the_accuracy_of_the_record(engine):
    if "MINIRES_DATA_DIR" not in os.environ:
        pytest.skip("MINIRES_DATA_DIR does not name a folder with CIFAR-10")
    images = len(load("cifar10", "test", os.environ["MINIRES_DATA_DIR"])) if engine == "compiled" else 500
    code, out, err = call(
        "--model",
        "resnet20",
        "--pretrained",
        "--data-dir",
        os.environ["MINIRES_DATA_DIR"],
        "--limit-test",
        images,
        "--engine",
        engine,
        "--json",
    )
    found = json.loads(out)
    assert code == 0, err
    if engine == "compiled":
        assert found["correct"] == round(pretrained("resnet20")[1].summary["test_accuracy"] * images)
    else:
        assert found["accuracy"] > 0.87


def test_an_unknown_name():
    with pytest.raises(RangeError, match=r"brings no weights of 'resnet56', only of resnet20"):
        pretrained("resnet56")


@pytest.mark.parametrize("line", ["--weights w", "--option shortcut=A", "--mean 0 0 0 --std 1 1 1"])
def test_what_pretrained_excludes(line):
    code, out, err = call("--model", "resnet20", "--pretrained", *line.split())
    assert (code, out) == (2, "") and f"--pretrained and {line.split()[0]} are given" in err


@pytest.mark.parametrize("line", ["--pretrained", "--pretrained --model resnet20", "--pretrained --data-dir DIR"])
def test_without_the_images_it_says_what_it_needs_and_what_works(line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("minires.cli.training.evaluate", None)  # the work
    code, out, err = call(*line.replace("DIR", str(tmp_path)).split())
    assert (code, out, err.count("\n")) == (1, "", 1)
    place = str(tmp_path) if "DIR" in line else "data"
    for words in (
        "--pretrained needs the test images of cifar10",
        f"minires data cifar10 --data-dir {place} --download fetches them",
        "minires train --model resnet8 and then minires eval RUN",
    ):
        assert words in err
