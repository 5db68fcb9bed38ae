"""DenseNet: published counts, PyTorch as oracle, what a dense layer keeps, dropout."""

import time
from functools import partial

import numpy as np
import pytest
from models import zoo_checks as Z
from oracles.pytorch import F

from minires.errors import RangeError
from minires.layers import Dropout
from minires.models import build, summarize
from minires.models.densenet import densenet_imagenet


def dense_block(net, x, at, count, bottleneck):
    for i in range(count):
        branch = f"{at}.{i}.branch"
        h = net.conv(net.bn_relu(x, f"{branch}.bn1"), f"{branch}.conv1")
        if bottleneck:
            h = net.conv(net.bn_relu(h, f"{branch}.bn2"), f"{branch}.conv2")
        x = F.pad(x, (0, 0, 0, 0, 0, h.shape[1])) + F.pad(h, (0, 0, 0, 0, x.shape[1], 0))
    return x


def dense(net, x, counts, bottleneck, imagenet=False):
    x = net.imagenet_stem(x) if imagenet else net.conv(x, "stem.conv")
    for b, count in enumerate(counts, start=1):
        if b > 1:
            x = net.conv(net.bn_relu(x, f"transition{b - 1}.bn"), f"transition{b - 1}.conv")
            x = F.avg_pool2d(x, 2, 2)
        x = dense_block(net, x, f"block{b}", count, bottleneck)
    return net.fc(net.bn_relu(x, "head.bn"))


@pytest.mark.parametrize(
    ("name", "counts", "bottleneck", "size"),
    [
        ("densenet_10_4", (2, 2, 2), False, 13),
        ("densenetbc_16_3", (2, 2, 2), True, 12),
        ("densenet121", (6, 12, 24, 16), True, 33),
    ],
)
def test_as_pytorch(name, counts, bottleneck, size):
    function = partial(dense, counts=counts, bottleneck=bottleneck, imagenet="_" not in name)
    Z.assert_as_pytorch(Z.randomised(name), function, size)


@pytest.mark.parametrize(
    ("name", "params", "macs", "image"),
    [
        ("densenet121", 7_978_856, 2_834_161_664, 224),
        ("densenet169", 14_149_480, 3_359_843_328, 224),
        ("densenet_40_12", 1_019_722, 0.265, 32),
        ("densenet_100_12", 6_979_642, 1.770, 32),
        ("densenet_100_24", 27_249_082, 6.889, 32),
        ("densenetbc_100_12", 769_162, 0.288, 32),
        ("densenetbc_250_24", 15_324_406, 5.419, 32),
    ],
)
def test_published_counts(name, params, macs, image):
    Z.assert_counts(name, params, macs, image)


def test_counts_of_other_sizes():
    assert sum(p.data.size for _, p in build("densenetbc_100_12", num_classes=100, rng=0).params()) == 800_032
    for name in ("densenet121", "densenet161", "densenet169", "densenet201"):
        assert summarize(build(name, rng=0), (3, 32, 32)).depth == int(name[8:])


def test_channels_of_densenet121():
    """64 -> 256 -> 128 -> 512 -> 256 -> 1024 -> 512 -> 1024, as in the paper."""
    x = np.zeros((1, 3, 32, 32), np.float32)
    seen = [x.shape[1]]
    for _, part in list(build("densenet121", rng=0).children())[:-1]:
        x = part(x)
        seen.append(x.shape[1])
    assert seen == [3, 64, 256, 128, 512, 256, 1024, 512, 1024]


def test_a_dense_layer_hands_on_what_it_got():
    """Its first channels are x itself, and the shortcut term of the gradient is the slice of dy, bitwise."""
    layer = build("densenet_10_4", rng=0).at("block1.0")
    x = np.random.default_rng(0).normal(size=(2, 16, 5, 5)).astype(np.float32)
    y, cache = layer.forward(x, train=True)
    assert (y[:, :16] == x).all() and y.shape[1] == 20
    dy = np.random.default_rng(1).normal(size=y.shape).astype(np.float32)
    assert (layer.terms(dy, cache)["shortcut"] == dy[:, :16]).all()


def test_250_layers_are_built_in_less_than_10_seconds():
    start = time.perf_counter()
    build("densenetbc_250_24", rng=0)
    assert time.perf_counter() - start < 10


@pytest.mark.parametrize("name", ["densenet_10_4", "densenetbc_16_4", "densenet121"])
def test_learns(name):
    Z.assert_learns(name, 32 if name == "densenet121" else 8)


def test_dropout_follows_every_convolution_but_the_first_and_leaves_the_weights_alone():
    model, dry = build("densenetbc_22_4", dropout=0.2, rng=0), build("densenetbc_22_4", rng=0)
    drops = [path for path, layer in model.walk() if isinstance(layer, Dropout)]
    convolutions = [path for path, p in model.params() if p.data.ndim == 4]
    assert len(drops) == len(convolutions) - 1
    assert [p.data.tobytes() for _, p in model.params()] == [p.data.tobytes() for _, p in dry.params()]
    Z.assert_learns("densenetbc_22_4", 8, dropout=0.2)


@pytest.mark.parametrize("name", ["densenet_41_12", "densenetbc_43_12", "densenet_4_12"])
def test_depths_that_no_member_has(name):
    with pytest.raises(RangeError, match="depth is"):
        build(name, rng=0)


def test_depths_of_imagenet():
    with pytest.raises(RangeError, match="depth is 120, expected one of 121, 161, 169, 201"):
        densenet_imagenet(120, rng=0)
