"""minires eval --model NAME --weights FILE: whose images, how normalised, and what it says about wrong calls."""

import contextlib
import io
import json

import numpy as np
import pytest
from weights.torch_models import ResNet, akamaster, torch

from minires import cli
from minires.data import load
from minires.models import build
from minires.weights import build_with_weights, save_weights

DATA = ["--data", "fashion_mnist_12k", "--limit-test", "100"]


def call(*argv):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = cli.main(["eval", *map(str, argv)])
    return code, out.getvalue(), err.getvalue()


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A network for grey images whose answers depend on the normalisation."""
    path = tmp_path_factory.mktemp("weights") / "w"
    save_weights(path, build("resnet8", in_channels=1, rng=3), layout="minires")
    return path


def right(path, mean, std):
    model, _ = build_with_weights("resnet8", path, in_channels=1)
    test = load("fashion_mnist_12k", "test")
    test = test.subset(np.random.default_rng(0).permutation(len(test))[:100])
    x = ((test.images / 255 - mean) / std).astype(np.float32)
    return int((model(x).argmax(axis=1) == test.labels).sum())


def test_the_normalisation_of_the_training_images(weights):
    mean, std = load("fashion_mnist_12k", "train").mean_std()
    code, out, err = call("--model", "resnet8", "--weights", weights, *DATA)
    assert (code, err) == (0, "")
    assert f": {right(weights, mean, std)} of 100 test images of fashion_mnist_12k are right\n" in out
    assert "names of minires; images normalised as its training images ask for, as the file does not say" in out


def test_a_normalisation_that_is_given(weights):
    code, out, _ = call("--model", "resnet8", "--weights", weights, *DATA, "--mean", "0.9", "--std", "0.05", "--json")
    assert code == 0 and json.loads(out)["correct"] == right(weights, 0.9, 0.05)
    mean, std = load("fashion_mnist_12k", "train").mean_std()
    assert right(weights, 0.9, 0.05) != right(weights, mean, std), "the test could not tell them apart"


def test_options_of_the_network(tmp_path):
    net = ResNet((1, 1, 1), small=True)
    net.conv1 = torch.nn.Conv2d(1, 16, 3, 1, 1, bias=False)
    torch.save(net.state_dict(), tmp_path / "w")
    code, out, err = call("--model", "resnet8", "--weights", tmp_path / "w", *DATA)
    assert code == 0 and "names of chenyaofo" in out, err
    code, _, err = call("--model", "resnet8", "--weights", tmp_path / "w", *DATA, "--option", "shortcut=A")
    assert code == 1 and "build the model with shortcut='B' or 'C'" in err


def test_an_entry_of_several(tmp_path):
    nets = [ResNet((1, 1, 1), small=True) for _ in range(2)]
    for net in nets:
        net.conv1 = torch.nn.Conv2d(1, 16, 3, 1, 1, bias=False)
    torch.save({"state_dict": nets[0].state_dict(), "state_dict_ema": nets[1].state_dict()}, tmp_path / "w")
    line = ["--model", "resnet8", "--weights", tmp_path / "w", *DATA]
    code, out, err = call(*line)
    assert (code, out) == (1, "") and "fit: 'state_dict', 'state_dict_ema': choose one with entry=, or --entry" in err
    torch.save({"model." + name: t for name, t in nets[1].state_dict().items()}, tmp_path / "one")
    counts = []
    for more in (["--entry", "state_dict_ema"], ["--weights", tmp_path / "one"]):
        code, out, err = call(*line, *more, "--json")
        assert code == 0, err
        counts.append(json.loads(out))
    assert counts[0] == counts[1]
    assert "names of chenyaofo; entry state_dict_ema; images normalised" in call(*line, "--entry", "state_dict_ema")[1]


WRONG = {
    "run --entry model": (2, "RUN is run and --entry is given too"),
    "--model resnet8 --weights FILE --data fashion_mnist_12k --entry ema": (1, "has no entry 'ema', expected one of"),
    "": (2, "expected RUN, or --model, --weights and --data"),
    "--model resnet8 --data fashion_mnist_12k": (2, "expected RUN, or --model, --weights and --data"),
    "--model resnet8 --weights FILE": (2, "expected RUN, or --model, --weights and --data"),
    "run --weights FILE": (2, "RUN is run and --weights is given too"),
    "--model resnet8 --weights nowhere --data fashion_mnist_12k": (1, "nowhere cannot be read"),
    "--model resnet9 --weights FILE --data fashion_mnist_12k": (2, "resnet9: the depth is 9"),
    "--model resnet8 --weights FILE --data fashion_mnist_12k --mean 0.5": (2, "one of --mean and --std is given"),
    "--model resnet8 --weights FILE --data fashion_mnist_12k --option a": (2, "expected KEY=VALUE"),
    "--model resnet8 --weights FILE --data fashion_mnist_12k": (1, "does not fit"),
}


@pytest.mark.parametrize("line", WRONG)
def test_wrong_calls(line, tmp_path):
    torch.save(akamaster(8).state_dict(), tmp_path / "w")  # for three channels, where the images have one
    code, message = WRONG[line]
    found, out, err = call(*line.replace("FILE", str(tmp_path / "w")).split())
    assert (found, out) == (code, ""), err
    assert message in err
