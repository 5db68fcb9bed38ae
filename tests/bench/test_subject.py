"""A case as files: everything of the network is in them, and PyTorch makes the same network of them."""

import json

import numpy as np
import pytest

from minires import models
from minires.bench import Case, write_subject
from minires.bench.subject import nodes_of
from minires.bench.worker import with_torch
from minires.errors import RangeError
from minires.layers import Flatten, GlobalAvgPool2d, Linear, Sequential
from minires.models.network import imagenet_stem


def read(case, folder):
    write_subject(case, folder)
    with np.load(folder / "arrays.npz") as archive:
        return json.loads((folder / "case.json").read_text()), dict(archive)


def paths(nodes):
    for kind, settings in nodes:
        ways = settings.values() if kind == "residual" else ()
        yield from (path for way in ways for path in paths(way))
        yield from (value for value in settings.values() if isinstance(value, str))


@pytest.mark.parametrize("name", ["resnet8", "resnet18", "preact_resnet8"])
def test_the_nodes_name_every_tensor_once(name):
    model = models.build(name, rng=0)
    assert sorted(paths(nodes_of(model))) == sorted(path for path, _ in model.tensors())


def test_a_layer_that_others_do_not_have():
    with pytest.raises(RangeError, match=r"stage1.0.*\(Gate\) cannot be given .*, only networks of Conv2d"):
        nodes_of(models.build("resnet8", shortcut="exclusive-gate", rng=0))


def test_files_are_the_same_every_time(tmp_path):
    facts, first = read(Case("infer", "resnet8", 3), tmp_path)
    again, second = read(Case("infer", "resnet8", 3), tmp_path)
    assert facts == again and first.keys() == second.keys()
    assert all(np.array_equal(first[name], second[name]) for name in first)


def test_for_inference_batch_norms_have_statistics_of_images(tmp_path):
    _, trained = read(Case("infer", "resnet8", 2), tmp_path)
    _, fresh = read(Case("train", "resnet8", 2), tmp_path)
    assert (fresh["stem.bn.running_var"] == 1).all() and (fresh["stem.bn.running_mean"] == 0).all()
    assert (trained["stem.bn.running_var"] != 1).all()
    model = models.build("resnet8", rng=0)
    for path, tensor in model.tensors():
        tensor.data[...] = trained[path]
    assert np.abs(model(trained["x"])).max() < 30


def test_a_convolution(tmp_path):
    facts, arrays = read(Case("dw", "conv3x3_4-6@9_s2", 5), tmp_path)
    assert {name: array.shape for name, array in arrays.items()} == {
        "x": (5, 4, 9, 9),
        "dy": (5, 6, 5, 5),
        "weight": (6, 4, 3, 3),
    }
    assert {facts[name] for name in ("kernel", "stride", "padding")} == {3, 2, 1}


def start_and_end(rng):
    """The layers of networks for large images that the others lack: the stem and its max pool, a head."""
    head = Sequential(pool=GlobalAvgPool2d(), flatten=Flatten(), fc=Linear(8, 5, rng=rng))
    return Sequential(stem=imagenet_stem(3, 8, rng=rng), head=head)


NETWORKS = {
    "resnet": lambda rng: models.build("resnet8", rng=rng),
    # a ReLU that worked in place would change the input of the shortcut too
    "relu_only_preact": lambda rng: models.build("resnet8", block="relu_only_preact", rng=rng),
    "full_preact": lambda rng: models.build("preact_resnet8", shortcut="B", rng=rng),
    "start_and_end": start_and_end,
}


@pytest.mark.parametrize("build", NETWORKS.values(), ids=NETWORKS)
@pytest.mark.parametrize("train", [False, True])
def test_pytorch_makes_the_same_network(build, train):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(1)
    model = build(rng).to(dtype="float64")
    x = rng.standard_normal((2, 3, 17, 17))
    arrays = {path: tensor.data.copy() for path, tensor in model.tensors()}
    nodes = json.loads(json.dumps(nodes_of(model)))
    twin = with_torch.network(nodes, arrays).double().train(train)
    y, cache = model.forward(x, train)
    dy = rng.standard_normal(y.shape)
    dx = model.backward(dy, cache)
    x_torch = torch.from_numpy(x).requires_grad_()
    y_torch = twin(x_torch)
    y_torch.backward(torch.from_numpy(dy))
    np.testing.assert_allclose(y_torch.detach().numpy(), y, rtol=0, atol=1e-10 * np.abs(y).max())
    np.testing.assert_allclose(x_torch.grad.numpy(), dx, rtol=0, atol=1e-10 * np.abs(dx).max())
