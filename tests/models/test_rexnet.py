"""ReXNet: published counts and channels, PyTorch as oracle, the partial shortcut."""

import numpy as np
import pytest
from models import zoo_checks as Z
from oracles.pytorch import F, torch

from minires.layers import BatchNorm2d, Residual
from minires.models import build
from minires.models.rexnet import block_channels, rexnet_block

# of each block: stage, place in it, stride
PLACES = [(1, 0, 1), (2, 0, 2), (2, 1, 1), (3, 0, 2), (3, 1, 1), (4, 0, 2), (4, 1, 1), (4, 2, 1)]
PLACES += [(5, b, 1) for b in range(3)] + [(6, 0, 2)] + [(6, b, 1) for b in range(1, 5)]
CHANNELS = {
    1.0: (16, 27, 38, 50, 61, 72, 84, 95, 106, 117, 128, 140, 151, 162, 174, 185),
    1.3: (21, 35, 50, 65, 79, 94, 109, 123, 138, 152, 167, 182, 196, 211, 226, 240),
    1.5: (24, 41, 58, 75, 92, 108, 125, 142, 159, 176, 193, 210, 226, 243, 260, 277),
    2.0: (32, 54, 77, 100, 122, 144, 167, 190, 212, 234, 257, 280, 302, 324, 347, 370),
}


def silu_unit(net, x, at, stride=1):
    return F.silu(net.bn(net.conv(x, f"{at}.conv", stride), f"{at}.bn"))


def block(net, x, at, stride):
    partial = f"{at}.branch.conv1.weight" in net.p
    branch = f"{at}.branch" if partial else at
    h = silu_unit(net, x, f"{branch}.expand") if f"{branch}.expand.conv.weight" in net.p else x
    h = net.bn(net.conv(h, f"{branch}.conv1", stride, groups=h.shape[1]), f"{branch}.bn1")
    if f"{branch}.se.gate.conv1.weight" in net.p:
        s = net.conv(h.mean(dim=(2, 3), keepdim=True), f"{branch}.se.gate.conv1")
        s = F.relu(net.bn(s, f"{branch}.se.gate.bn"))
        h = h * torch.sigmoid(net.conv(s, f"{branch}.se.gate.conv2"))
    y = net.bn(net.conv(F.relu6(h), f"{branch}.conv2"), f"{branch}.bn2")
    if not partial:
        return y
    assert stride == 1 and x.shape[1] <= y.shape[1]
    return torch.cat([y[:, : x.shape[1]] + x, y[:, x.shape[1] :]], dim=1)


def rexnet(net, x):
    x = silu_unit(net, x, "stem", 2)
    for stage, place, stride in PLACES:
        x = block(net, x, f"stage{stage}.{place}", stride)
    return net.fc(silu_unit(net, x, "last"))


def test_as_pytorch():
    Z.assert_as_pytorch(Z.randomised("rexnet_50", dropout=0), rexnet, 48, batch=4)


@pytest.mark.parametrize(
    ("name", "params", "macs"),
    [
        ("rexnet_90", 4_091_257, 0.348),
        ("rexnet_100", 4_796_873, 0.398),
        ("rexnet_150", 9_728_593, 0.876),
        ("rexnet_200", 16_366_620, 1.529),
    ],
)
def test_published_counts(name, params, macs):
    Z.assert_counts(name, params, macs)


def test_the_usual_trap_of_running_statistics_that_are_counted_as_parameters():
    """4.838 M in some tables: 4,796,873 and what PyTorch keeps in batch norms: mean, variance, number of batches."""
    model = build("rexnet_100", rng=0)
    statistics = sum(t.data.size for _, t in model.tensors() if not hasattr(t, "grad"))
    assert statistics + sum(isinstance(layer, BatchNorm2d) for _, layer in model.walk()) == 41_440


def test_counts_for_100_classes():
    assert sum(p.data.size for _, p in build("rexnet_100", num_classes=100, rng=0).params()) == 3_643_973


@pytest.mark.parametrize("width", CHANNELS)
def test_channels_grow_linearly(width):
    assert tuple(block_channels(width)) == CHANNELS[width]
    model = build(f"rexnet_{round(100 * width)}", rng=0)
    found = [layer.out_channels for path, layer in model.walk() if path.endswith("conv2") and "se" not in path]
    assert tuple(found) == CHANNELS[width]


def test_the_shortcut_is_partial_and_stands_where_stride_and_channels_allow():
    model = build("rexnet_100", rng=0)
    residual = [isinstance(model.at(f"stage{s}.{b}"), Residual) for s, b, _ in PLACES]
    assert residual == [False, *(stride == 1 for _, _, stride in PLACES[1:])]
    layer = rexnet_block(4, 6, 1, rng=0).to(dtype=np.float64)
    rng = np.random.default_rng(0)
    x, dy = rng.normal(size=(3, 4, 5, 5)), rng.normal(size=(3, 6, 5, 5))
    y, cache = layer.forward(x, train=True)
    f, _ = layer.branch.forward(x, train=True)
    np.testing.assert_array_equal(y[:, :4], f[:, :4] + x)
    np.testing.assert_array_equal(y[:, 4:], f[:, 4:])
    assert (layer.terms(dy, cache)["shortcut"] == dy[:, :4]).all()


def test_learns():
    Z.assert_learns("rexnet_50", 48, dropout=0)
