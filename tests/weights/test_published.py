"""Published weights: the logits, the accuracy that its authors print, and PyTorch's answer for every image."""

import contextlib
import io
import json
import os
from pathlib import Path

import numpy as np
import pytest
from weights.torch_models import akamaster, torch

from minires import cli
from minires.data import Normalize, load
from minires.weights import build_with_weights, load_weights, save_weights
from minires.weights.names import layout_called

FILES = {20: "resnet20-12fca82f.th", 56: "resnet56-4bfd9763.th"}
CORRECT = {20: 9173, 56: 9339}  # of 10,000: errors of 8.27 and 6.61 per cent, as its authors print them
GOLDEN = {
    20: [
        [-2.206354, 0.07467, 5.894409, 8.072684, -2.09864, -2.373616, -5.454989, 3.983736, -3.750357, -2.187194],
        [-2.668244, -0.69052, 5.156633, 5.96879, 0.18199, -2.67539, -4.433306, 4.636676, -2.636841, -2.874646],
    ],
    56: [[-7.577688, -3.821264, -0.747259, 14.373235, -3.791624, 8.664381, -5.450665, -1.294511, 1.713323, -2.112181]],
}
pytestmark = pytest.mark.shared


@pytest.fixture
def weights(shared):
    folder = shared / "weights"
    if not folder.is_dir():
        pytest.skip(f"no published weights at {folder}")
    return folder


def waves(count):
    n, c, h, w = np.ogrid[:count, :3, :32, :32]
    return np.sin(0.1 * (c * 1024 + h * 32 + w) + n)


def in_pytorch(path, depth):
    """The network in PyTorch, with its own reader of the file."""
    net = akamaster(depth)
    state = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
    net.load_state_dict({name.removeprefix("module."): tensor for name, tensor in state.items()}, strict=False)
    return net.eval()


@pytest.mark.parametrize("depth", FILES)
def test_golden_logits(depth, weights):
    model, origin = build_with_weights(f"resnet{depth}", weights / FILES[depth])
    assert origin.words() == "names of akamaster; entry state_dict; prefix module. taken off"
    golden = np.array(GOLDEN[depth])
    np.testing.assert_allclose(model.to(dtype=np.float64)(waves(len(golden))), golden, rtol=0, atol=1e-5)


@pytest.mark.parametrize("depth", FILES)
def test_logits_of_pytorch(depth, weights):
    """Real images need the data set; these have the spread of normalised ones."""
    model, _ = build_with_weights(f"resnet{depth}", weights / FILES[depth])
    net, x = in_pytorch(weights / FILES[depth], depth), np.random.default_rng(0).normal(size=(16, 3, 32, 32))
    with torch.no_grad():
        expected = net.double()(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(model.to(dtype=np.float64)(x), expected, rtol=1e-9, atol=1e-9)


def test_the_padding_of_the_paper_is_another_network(weights):
    model, _ = build_with_weights("resnet20", weights / FILES[20], shortcut="A")
    assert np.abs(model.to(dtype=np.float64)(waves(2)) - GOLDEN[20]).max() > 0.1


def test_round_trip(weights, tmp_path):
    model, origin = build_with_weights("resnet20", weights / FILES[20])
    save_weights(tmp_path / "w", model, layout=origin.name)
    other, found = build_with_weights("resnet20", tmp_path / "w")
    assert found.name == origin.name
    for (path, a), (_, b) in zip(model.tensors(), other.tensors()):
        assert (a.data == b.data).all(), path
    load_weights(weights / FILES[20], other)


def test_every_bit_of_the_file_is_pytorchs(weights):
    model, origin = build_with_weights("resnet56", weights / FILES[56])
    state = torch.load(weights / FILES[56], map_location="cpu", weights_only=True)["state_dict"]
    tensors = dict(model.tensors())
    for path, name in layout_called(origin.name).rename(list(tensors)).items():
        assert (state[f"module.{name}"].numpy() == tensors[path].data).all(), path


@pytest.fixture
def data_dir():
    """The folder of the real data sets."""
    folder = os.environ.get("MINIRES_DATA_DIR")
    if not folder or not Path(folder).is_dir():
        pytest.skip("set MINIRES_DATA_DIR to the folder that holds the real data sets")
    return folder


def classified(net, images):
    """The classes that PyTorch gives to images (N, 3, 32, 32) uint8."""
    x = Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))(images)
    with torch.no_grad():
        return np.concatenate([net(torch.from_numpy(part)).argmax(1).numpy() for part in np.array_split(x, 40)])


def call_eval(*argv):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert cli.main(["eval", *argv]) == 0
    return out.getvalue()


@pytest.mark.parametrize(
    ("depth", "count"),
    [(20, 400), pytest.param(20, 10_000, marks=pytest.mark.slow), pytest.param(56, 10_000, marks=pytest.mark.slow)],
)
def test_as_many_images_as_pytorch(depth, count, weights, data_dir):
    """The command classifies as many images rightly as PyTorch, and all 10,000 as well as its authors say."""
    path = str(weights / FILES[depth])
    options = ["--model", f"resnet{depth}", "--weights", path, "--data", "cifar10", "--data-dir", data_dir]
    found = json.loads(call_eval(*options, "--limit-test", str(count), "--json"))
    test = load("cifar10", "test", data_dir)
    if count < len(test):
        test = test.subset(np.random.default_rng(0).permutation(len(test))[:count])
    answers = classified(in_pytorch(path, depth), test.images)
    correct = int((answers == test.labels).sum())
    assert found == {"accuracy": correct / count, "correct": correct, "total": count}
    if count == 10_000:
        assert found["correct"] == CORRECT[depth]
