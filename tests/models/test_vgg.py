"""VGG: published counts, PyTorch as oracle, where the parameters are."""

from functools import partial

import pytest
from models import zoo_checks as Z
from oracles.pytorch import F

from minires.errors import RangeError
from minires.models import build, summarize
from minires.models.vgg import vgg

VGG11 = "64 pool 128 pool 256 256 pool 512 512 pool 512 512 pool"
VGG13 = "64 64 pool 128 128 pool 256 256 pool 512 512 pool 512 512 pool"


def vgg_torch(net, x, plan, batch_norm):
    stage, conv = 1, 0
    for word in plan.split():
        if word == "pool":
            x, stage, conv = F.max_pool2d(x, 2, 2), stage + 1, 0
            continue
        conv += 1
        x = net.conv(x, f"stage{stage}.conv{conv}")
        assert x.shape[1] == int(word)
        x = F.relu(net.bn(x, f"stage{stage}.bn{conv}") if batch_norm else x)
    x = F.adaptive_avg_pool2d(x, (7, 7)).flatten(1)
    for i in (1, 2, 3):
        x = F.linear(x, net.get(f"head.fc{i}.weight"), net.get(f"head.fc{i}.bias"))
        x = F.relu(x) if i < 3 else x
    return x


@pytest.mark.parametrize(
    ("name", "plan", "size"), [("vgg11", VGG11, 35), ("vgg11_bn", VGG11, 64), ("vgg13", VGG13, 32)]
)
def test_as_pytorch(name, plan, size):
    function = partial(vgg_torch, plan=plan, batch_norm=name.endswith("_bn"))
    Z.assert_as_pytorch(Z.randomised(name, hidden=6, dropout=0), function, size)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "params", "macs"),
    [
        ("vgg16", 138_357_544, 15.470),
        ("vgg19", 143_667_240, 19.632),
        ("vgg16_bn", 138_365_992, 15.470),
        ("vgg19_bn", 143_678_248, 19.632),
    ],
)
def test_published_counts(name, params, macs):
    Z.assert_counts(name, params, macs)


@pytest.mark.parametrize(("depth", "params", "macs"), [(16, 138_357_544, 15.470), (19, 143_667_240, 19.632)])
def test_published_counts_by_those_of_a_narrow_head(depth, params, macs):
    """The linear layers in full would take seconds to draw; without them the rest is counted on the network."""
    hidden = 2
    narrow = summarize(build(f"vgg{depth}", hidden=hidden, rng=0), (3, 224, 224))

    def head(width):
        return 25088 * width + width * width + width * 1000

    def biases(width):
        return 2 * width + 1000

    assert narrow.params - head(hidden) - biases(hidden) + head(4096) + biases(4096) == params
    assert round((narrow.macs - head(hidden) + head(4096)) / 1e9, 3) == macs
    assert narrow.depth == depth


def test_batch_norm_adds_two_numbers_for_each_of_the_channels():
    for depth, more in ((16, 138_365_992 - 138_357_544), (19, 143_678_248 - 143_667_240)):
        counts = [
            sum(p.data.size for _, p in build(f"vgg{depth}{suffix}", hidden=2, rng=0).params())
            for suffix in ("", "_bn")
        ]
        assert counts[1] - counts[0] == more


@pytest.mark.parametrize("name", ["vgg11", "vgg11_bn"])
def test_learns(name):
    Z.assert_learns(name, 32, hidden=16, dropout=0)


def test_depths_of_the_paper():
    with pytest.raises(RangeError, match="depth is 12, expected one of 11, 13, 16, 19"):
        vgg(12, rng=0)
