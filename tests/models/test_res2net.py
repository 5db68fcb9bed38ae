"""Res2Net: published counts, PyTorch as oracle, the receptive fields of its groups."""

from functools import partial

import numpy as np
import pytest
from models import torch_zoo
from models import zoo_checks as Z
from oracles.pytorch import F, torch

from minires.layers import Concat, Res2
from minires.models import build, summarize
from minires.models.res2net import res2net_block


def unit(net, x, at, stride=1, groups=1):
    return net.bn_relu(net.conv(x, f"{at}.conv", stride, groups), f"{at}.bn")


def block(net, x, at, stride, scale, cardinality=1, se=False):
    """As the authors write it: the first block of a stage is the one with a projection."""
    branch, first = f"{at}.add.branch", f"{at}.add.shortcut.conv.weight" in net.p
    parts = unit(net, x, branch).chunk(scale, dim=1)
    ys, y = [], None
    for i in range(max(scale - 1, 1)):
        y = parts[i] if first or y is None else parts[i] + y
        names = [f"{branch}.groups.{i}.function", f"{branch}.groups.{i}", f"{branch}.groups"]
        name = next(name for name in names if f"{name}.conv.weight" in net.p)
        y = unit(net, y, name, stride, cardinality)
        ys.append(y)
    if scale > 1:
        ys.append(F.avg_pool2d(parts[-1], 3, stride, 1) if first else parts[-1])
    f = net.bn(net.conv(torch.cat(ys, dim=1), f"{branch}.conv3"), f"{branch}.bn3")
    f = net.se(f, f"{branch}.se") if se else f
    return F.relu(f + torch_zoo.v1_shortcut(net, x, f, at, stride))


@pytest.mark.parametrize(
    ("name", "options", "settings"),
    [
        ("res2net50_4w_4s", {}, {"scale": 4}),
        ("res2net50_6w_2s", {"se": True}, {"scale": 2, "se": True}),
        ("res2net50_4w_3s", {"cardinality": 2}, {"scale": 3, "cardinality": 2}),
        ("res2net50_8w_1s", {}, {"scale": 1}),
    ],
)
def test_as_pytorch(name, options, settings):
    function = partial(torch_zoo.imagenet, block=block, counts=(3, 4, 6, 3), **settings)
    Z.assert_as_pytorch(Z.randomised(name, **options), function, 34)


def test_res2next_as_pytorch():
    function = partial(torch_zoo.imagenet, block=block, counts=(3, 4, 6, 3), scale=4, cardinality=8)
    Z.assert_as_pytorch(Z.randomised("res2next50"), function, 33)


@pytest.mark.parametrize(
    ("name", "params", "macs"),
    [
        ("res2net50_26w_4s", 25_699_120, 4.255),
        ("res2net50_48w_2s", 25_287_304, 4.160),
        ("res2net50_26w_6s", 37_051_448, 6.296),
        ("res2net101_26w_4s", 45_206_688, 8.067),
        ("res2next50", 24_671_464, 4.173),
    ],
)
def test_published_counts(name, params, macs):
    Z.assert_counts(name, params, macs)


def test_one_group_of_64_is_resnet():
    one, other = (summarize(build(name, rng=0), (3, 64, 64)) for name in ("res2net50_64w_1s", "resnet50"))
    assert one == other


def test_groups_stand_apart_where_the_shape_changes():
    model = build("res2net50_4w_4s", rng=0)
    kinds = [type(model.at(f"stage{s}.{b}.add.branch.groups")) for s in (1, 2) for b in (0, 1)]
    assert kinds == [Concat, Res2, Concat, Res2]


@pytest.mark.parametrize("scale", [2, 4, 6])
def test_receptive_fields_of_the_groups(scale):
    """Behind the 1x1 the groups see 3, 5, 7, ... pixels, the last 1: where the gradient is not zero."""
    groups = res2net_block(16, 16, 1, width=32, scale=scale, rng=0).at("add.branch.groups")
    for path, tensor in groups.tensors():
        tensor.data = abs(tensor.data) + np.float32(0.1 * path.endswith("beta"))  # every ReLU lets its gradient pass
    rng = np.random.default_rng(0)
    y, cache = groups.forward(rng.uniform(size=(1, 2 * scale, 15, 15)).astype(np.float32))
    seen = []
    for group in range(scale):
        dy = np.zeros_like(y)
        dy[0, 2 * group : 2 * group + 2, 7, 7] = 1
        support = (groups.backward(dy, cache)[0] != 0).any(axis=0)
        seen.append((support.any(axis=0).sum(), support.any(axis=1).sum()))
    assert seen == [(2 * g + 3, 2 * g + 3) for g in range(scale - 1)] + [(1, 1)]


@pytest.mark.parametrize("name", ["res2net50_4w_4s", "res2next50"])
def test_learns(name):
    Z.assert_learns(name, 40)
