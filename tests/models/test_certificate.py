"""Certificates: what they measure is true of the network, and the table can be read."""

import json

import numpy as np
import pytest

from minires.errors import ShapeError
from minires.layers import Concat, Conv2d, Dropout, GlobalAvgPool2d, MaxPool2d, Residual, Sequential, Subsample
from minires.models import build, certify, find, options_of, summarize
from minires.layers import observe
from minires.models.summary import output_shapes
from minires.models.receptive import WHOLE, receptive_fields

NAMES = (
    "resnet18",
    "plain18",
    "resnetv2_18",
    "seresnet18",
    "resnext11_4x8d",
    "wrn_10_2",
    "seresnet14",
    "resnet11",
    "preact_resnet11",
    "resnet14",
    "preact_resnet14",
    "plain14",
    "densenet_10_4",
    "densenetbc_16_4",
    "nin_cifar",
    "res2net50_4w_4s",
    "rexnet_50",
    "googlenet",
    "inception_v1",
    "highway8",
    "ho_resnet20_heun3",
)
AS_NAMED = {"wrn_10_2": 10, "res2net50_4w_4s": 50}  # where the authors do not count the longest way


@pytest.mark.parametrize("name", NAMES)
def test_it_counts_what_a_summary_counts(name):
    certificate = certify(name, image=32)
    found = summarize(build(name, rng=0), (3, 32, 32))
    assert (certificate.params, certificate.macs) == (found.params, found.macs)
    assert certificate.depth == AS_NAMED.get(name, found.depth)
    assert sum(row.params for row in certificate.layers) == found.params
    assert sum(row.macs for row in certificate.layers) == found.macs


@pytest.mark.parametrize("name", NAMES)
def test_the_text_fits_in_100_columns_and_json_holds_it(name):
    certificate = certify(name, image=32)
    lines = str(certificate).splitlines()
    assert max(map(len, lines)) <= 100
    assert f"{certificate.params:,}" in str(certificate) and f"{certificate.macs:,}" in str(certificate)
    for row in certificate.layers:
        assert any(row.path[-30:] in line and row.kind in line for line in lines)
    facts = json.loads(json.dumps(certificate.facts(), allow_nan=False))
    assert facts["name"] == name and len(facts["layers"]) == len(certificate.layers)


@pytest.mark.parametrize("name", NAMES)
def test_in_a_narrow_terminal(name):
    certificate = certify(name, image=32)
    for width in (60, 75, 76, 90):
        lines = certificate.table(width).splitlines()
        assert max(map(len, lines)) <= width
        for row in certificate.layers:
            params = f"{row.params:,}"
            assert any(row.path[-8:] in line and row.kind in line and params in line for line in lines)
    assert certificate.table(100) == str(certificate)
    assert certificate.table(5).splitlines()  # narrower than any line: as narrow as it can be, and no error


@pytest.mark.parametrize("name", NAMES)
def test_shapes_are_those_of_a_run(name):
    model, seen = build(name, rng=0), {}
    twin = observe(model, lambda path, layer, x, y: seen.update({path: y.shape[1:]}))
    twin.forward(np.zeros((1, 3, 32, 32), np.float32))
    assert output_shapes(model, (3, 32, 32)) == seen


def test_shapes_of_layers_that_a_user_wrote_are_found_by_running_them():
    class Half(Conv2d):
        def forward(self, x, train=False):
            y, cache = super().forward(x, train)
            return y[:, :, ::2], cache

    model = Sequential(Half(3, 4, 3, padding=1, rng=0), Conv2d(4, 5, 1, rng=0))
    assert output_shapes(model, (3, 8, 6)) == {"": (5, 4, 6), "0": (4, 4, 6), "1": (5, 4, 6)}
    with pytest.raises(ShapeError, match=r"1 \(Conv2d\): input has 4 channels"):
        output_shapes(Sequential(Half(3, 4, 3, rng=0), Conv2d(5, 5, 1, rng=0)), (3, 8, 8))


def test_shapes_of_resnet50():
    """Table 1 of He et al. 2015: 56, 28, 14, 7 pixels; the stride of the paper and that of torchvision."""
    certificate = certify("resnet50")
    assert certificate.stages == {
        "stem": (64, 56, 56),
        "stage1": (256, 56, 56),
        "stage2": (512, 28, 28),
        "stage3": (1024, 14, 14),
        "stage4": (2048, 7, 7),
        "head": (1000,),
    }
    assert "Conv2d 3x3 /2 at stage2.0.add.branch.conv2" in certificate.strides
    assert len(certificate.strides) == 2 + 2 * 3
    paper = certify("resnet50", image=64, stride_on="1x1")
    assert "Conv2d 1x1 /2 at stage2.0.add.branch.conv1" in paper.strides
    assert not any("branch.conv2" in line for line in paper.strides)


@pytest.mark.parametrize(
    ("name", "fan"),
    [
        ("resnet18", "fan-out"),
        ("resnetv2_18", "fan-out"),
        ("seresnet18", "fan-out"),
        ("resnext11_4x8d", "fan-out"),
        ("preact_resnet11", "fan-out"),
        ("resnet14", "fan-in"),
        ("wrn_10_2", "fan-in"),
        ("seresnet14", "fan-in"),
    ],
)
def test_the_initialisation_is_measured(name, fan):
    certificate = certify(name, image=32)
    rule = f"Conv2d: mean 0, standard deviation sqrt(2 / {fan})"
    assert certificate.initialisation.startswith(rule) and certificate.initialisation.endswith("biases 0")
    assert "head.fc: mean 0, standard deviation 0.003" in certificate.initialisation
    for _, layer in build(name, rng=0).walk():
        if isinstance(layer, Conv2d):
            weight = layer.weight.data
            kernel = np.prod(layer.kernel)
            size = kernel * (layer.out_channels if fan == "fan-out" else layer.in_channels // layer.groups)
            assert weight.std() == pytest.approx(np.sqrt(2 / size), rel=6 / np.sqrt(2 * weight.size))


def test_batch_norm():
    found = certify("resnet14", image=8).batch_norm
    assert found.startswith("13 layers, eps 1e-05, momentum 0.1 ") and found.endswith("gamma 1, beta 0 at the start")


def conv(kernel, **settings):
    return Conv2d(2, 2, kernel, rng=0, **settings)


@pytest.mark.parametrize(
    ("model", "field"),
    [
        (Sequential(conv(3), conv(3)), (5, 5)),
        (Sequential(conv(3, stride=2), conv(3)), (7, 7)),
        (Sequential(conv(3, stride=2), MaxPool2d(3, stride=2), conv(3, dilation=2)), (23, 23)),
        (Sequential(conv((1, 7)), conv((5, 1))), (5, 7)),
        (Sequential(Subsample(2), conv(3)), (5, 5)),
        (Sequential(Residual(conv(3, padding=1)), Residual(conv(5, padding=2))), (7, 7)),
        (Sequential(Concat(a=conv(1), b=conv(5, padding=2))), (5, 5)),
        (Sequential(conv(3), GlobalAvgPool2d()), (WHOLE, WHOLE)),
    ],
)
def test_receptive_fields_by_hand(model, field):
    assert receptive_fields(model)[""] == field


@pytest.mark.parametrize("path", ["stage1.0", "stage2.0", "stage3.0"])
def test_a_receptive_field_is_where_the_gradient_arrives(path):
    """Strides of even count make the field lie askew, so only its width is compared."""
    model = build("resnet8", rng=0, in_channels=1).to(dtype=np.float64)
    names = [name for name, _ in model.children()]
    layers = [model[name] for name in names[: names.index(path[:6]) + 1]]
    cut = Sequential(*layers)
    x = np.random.default_rng(0).normal(size=(1, 1, 65, 65))
    y, cache = cut.forward(x)
    dy = np.zeros_like(y)
    dy[0, :, y.shape[2] // 2, y.shape[3] // 2] = 1
    rows = np.flatnonzero(np.abs(cut.backward(dy, cache)).sum(axis=(0, 1, 3)))
    assert (rows.max() - rows.min() + 1,) * 2 == receptive_fields(model)[path]


def test_options_and_names():
    family, numbers = find("wrn_28_10")
    assert numbers == (28, 10) and options_of(family) == {"dropout": 0.0}
    dropouts = [layer for _, layer in build("wrn_10_1", rng=0, dropout=0.3).walk() if isinstance(layer, Dropout)]
    assert [layer.p for layer in dropouts] == [0.3] * 3


def test_dropout_leaves_the_initial_weights():
    with_it, without = (build("wrn_10_1", rng=0, dropout=p) for p in (0.3, 0))
    assert all(np.array_equal(a.data, b.data) for (_, a), (_, b) in zip(with_it.tensors(), without.tensors()))


NOT = "; what the classes see is not normalised"
HEAD = "GlobalAvgPool2d, Flatten, Linear behind the last addition"


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("resnet8", {}, "ReLU, " + HEAD + NOT),
        ("resnet8", {"block": "relu_before_add"}, HEAD + NOT),
        ("resnet8", {"block": "relu_before_add", "tail": "bn relu"}, "BatchNorm2d, ReLU, " + HEAD),
        ("resnet8", {"block": "relu_only_preact"}, "ReLU, " + HEAD + NOT),
        ("preact_resnet8", {}, "BatchNorm2d, ReLU, " + HEAD),
        ("resnet8", {"shortcut": "shortcut-gate"}, "ReLU, " + HEAD + NOT),
        ("ho_resnet8_euler", {}, "BatchNorm2d, ReLU, " + HEAD),
        ("plain8", {}, ""),
        ("vgg11", {}, ""),
    ],
)
def test_what_stands_at_the_end(name, options, words):
    found = certify(name, image=32, **options)
    assert found.tail == words and found.facts()["tail"] == words
    line = " ".join(str(found).split())
    assert (f"at the end {words}" in line) if words else "at the end" not in line
