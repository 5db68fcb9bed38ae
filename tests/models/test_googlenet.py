"""GoogLeNet in its two forms: published counts, PyTorch as oracle."""

from functools import partial

import numpy as np
import pytest
from models import zoo_checks as Z
from oracles.pytorch import F, torch

from minires.models import build

NAMES = ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b")


def unit(net, x, at, stride=1):
    x = net.conv(x, f"{at}.conv", stride)
    if f"{at}.bn.gamma" in net.p:
        mean, var, gamma, beta = (net.get(f"{at}.bn.{key}") for key in ("running_mean", "running_var", "gamma", "beta"))
        x = F.batch_norm(x, mean, var, gamma, beta, training=net.train, eps=1e-3)
    return F.relu(x)


def pool(x, kernel):
    return F.max_pool2d(x, kernel, 2, ceil_mode=True)


def module(net, x, at):
    pooled = F.max_pool2d(x, 3, 1, 1)
    return torch.cat(
        [
            unit(net, x, f"{at}.branch1"),
            unit(net, unit(net, x, f"{at}.branch2.reduce"), f"{at}.branch2.conv"),
            unit(net, unit(net, x, f"{at}.branch3.reduce"), f"{at}.branch3.conv"),
            unit(net, pooled, f"{at}.branch4.conv"),
        ],
        dim=1,
    )


def googlenet(net, x, last_pool):
    x = pool(unit(net, x, "stem.conv1", 2), 3)
    x = pool(unit(net, unit(net, x, "stem.conv2"), "stem.conv3"), 3)
    for name in NAMES:
        x = module(net, x, f"stage{name[0]}.inception{name}")
        if name in ("3b", "4e"):
            x = pool(x, 3 if name == "3b" else last_pool)
    return net.fc(x)


@pytest.mark.parametrize(("name", "last_pool", "size"), [("googlenet", 2, 33), ("inception_v1", 3, 40)])
def test_as_pytorch(name, last_pool, size):
    Z.assert_as_pytorch(Z.randomised(name, dropout=0), partial(googlenet, last_pool=last_pool), size)


@pytest.mark.parametrize(
    ("name", "params", "macs"), [("googlenet", 6_624_904, 1_498_376_192), ("inception_v1", 6_998_552, 1_582_671_872)]
)
def test_published_counts(name, params, macs):
    Z.assert_counts(name, params, macs)


def test_the_paper_has_5x5_and_torchvision_3x3():
    for name, kernel in (("inception_v1", (5, 5)), ("googlenet", (3, 3))):
        assert build(name, rng=0).at("stage3.inception3a.branch3.conv.conv").kernel == kernel


def test_sizes_of_table_1():
    """112, 56, 28, 14, 7 pixels: the pools round up."""
    model, x = build("inception_v1", rng=0), np.zeros((1, 3, 224, 224), np.float32)
    seen = []
    for name in ("stem", "stage3", "stage4", "stage5"):
        x = model[name](x)
        seen.append(x.shape[1:])
    assert seen == [(192, 28, 28), (480, 14, 14), (832, 7, 7), (1024, 7, 7)]


@pytest.mark.parametrize("name", ["googlenet", "inception_v1"])
def test_learns(name):
    Z.assert_learns(name, 40, dropout=0)
